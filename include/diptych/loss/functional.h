#pragma once
// Every loss as a free function on tensors, by family; what they have in common is said in loss_value.h.
#include "diptych/loss/attention.h"
#include "diptych/loss/classification.h"
#include "diptych/loss/composed.h"
#include "diptych/loss/correlation.h"
#include "diptych/loss/hinge.h"
#include "diptych/loss/histogram.h"
#include "diptych/loss/projection.h"
#include "diptych/loss/softmax.h"
#include "diptych/loss/structure_preserving.h"
