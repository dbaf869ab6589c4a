#include "report/page_assets.h"

namespace diptych::report {

const std::string_view kPageStyle = R"css(
:root {
  color-scheme: light dark;
  --bg: #fcfcfb; --card: #ffffff; --sunk: #f3f4f2; --text: #1c2024; --muted: #59626b; --line: #dcdfe1;
  --accent: #0a5fa8; --good: #0b7a55; --good-bg: #e5f4ed; --warn: #8f4a00; --warn-bg: #fdf1e0; --strong-bg: #eaf2fb;
  --s0: #0072b2; --s1: #c85200; --s2: #007d5c; --s3: #a8407f; --s4: #6a5acd; --s5: #8a6a00; --s6: #2b8cbe; --s7: #555b61;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #14171a; --card: #1b1f23; --sunk: #22272c; --text: #e6e8ea; --muted: #a2abb4; --line: #343b42;
    --accent: #82bdf2; --good: #5fd0a3; --good-bg: #15342a; --warn: #f2b366; --warn-bg: #3a2a14; --strong-bg: #1d3146;
    --s0: #56b4e9; --s1: #f58b4c; --s2: #3fc79a; --s3: #e58fc2; --s4: #b3a8f5; --s5: #e2c044; --s6: #8fd3f4; --s7: #b4bbc2;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0; background: var(--bg); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  overflow-wrap: anywhere;
}
.frame { max-width: 1400px; margin: 0 auto; padding: 1.25rem clamp(1rem, 3vw, 2.5rem) 4rem; }
h1 { font-size: clamp(1.5rem, 1.2rem + 1.6vw, 2.2rem); line-height: 1.2; margin: .25rem 0 .75rem; letter-spacing: -.01em; text-wrap: balance; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 0 0 .9rem; padding-top: 1.5rem; border-top: 2px solid var(--text); }
h3 { font-size: 1.05rem; line-height: 1.3; margin: 1.75rem 0 .6rem; }
h4 { font-size: .95rem; margin: 1.1rem 0 .4rem; }
h2 .no { color: var(--muted); font-weight: 400; margin-right: .5ch; font-variant-numeric: tabular-nums; }
p { margin: 0 0 .9rem; max-width: 75ch; }
a { color: var(--accent); text-underline-offset: .15em; }
small, .muted { color: var(--muted); }
small { font-size: .86rem; }
main > section { margin: 0 -4px 2.75rem; padding: 0 4px; content-visibility: auto; contain-intrinsic-size: auto 60rem; }
code, pre, kbd { font-family: var(--mono); font-size: .86em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
[hidden] { display: none !important; }
.skip { position: absolute; left: -999rem; top: 0; background: var(--card); padding: .6rem 1rem; z-index: 3; }
.skip:focus { left: .5rem; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

nav.contents { margin: 1.25rem 0 2rem; font-size: .92rem; }
nav.contents h2 { font-size: .78rem; letter-spacing: .06em; text-transform: uppercase; color: var(--muted); border: 0; padding: 0; margin: 0 0 .4rem; }
nav.contents ol { list-style: none; margin: 0; padding: 0; columns: 2 9rem; column-gap: 1.25rem; }
nav.contents a { display: block; padding: .28rem .5rem; border-left: 2px solid var(--line); color: inherit; text-decoration: none; break-inside: avoid; }
nav.contents a:hover { border-color: var(--accent); color: var(--accent); }
nav.contents a[aria-current] { border-color: var(--accent); font-weight: 600; }
nav.contents .no { color: var(--muted); margin-right: .6ch; font-variant-numeric: tabular-nums; }
@media (min-width: 1080px) {
  .body { display: grid; grid-template-columns: 13.5rem minmax(0, 1fr); gap: 2.75rem; }
  nav.contents { position: sticky; top: 1.25rem; align-self: start; margin: 1.5rem 0; max-height: calc(100vh - 2.5rem); overflow: auto; }
  nav.contents ol { columns: auto; }
}

.scroll { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; min-width: min(100%, 24rem); }
caption { text-align: left; color: var(--muted); font-size: .88rem; padding: 0 0 .45rem; caption-side: top; }
th, td { padding: .42rem .55rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: normal; }
td.w, th.w { overflow-wrap: anywhere; min-width: 9rem; }
thead th { font-size: .82rem; font-weight: 600; color: var(--muted); border-bottom: 1.5px solid var(--text); vertical-align: bottom; white-space: nowrap; }
thead th.long { white-space: normal; overflow-wrap: anywhere; min-width: 7.5rem; }
tbody th { font-weight: 500; min-width: 8rem; max-width: 18rem; overflow-wrap: anywhere; }
tr > th:first-child { position: sticky; left: 0; background: var(--bg); z-index: 1; }
.card tr > th:first-child { background: var(--card); }
@media (max-width: 700px) { tbody th { min-width: 6.5rem; max-width: 9.5rem; } }
tbody tr:hover, tbody tr:hover > th:first-child { background: var(--sunk); }
.n { text-align: right; white-space: nowrap; }
td.best { background: var(--strong-bg); font-weight: 700; }
.ci { display: block; color: var(--muted); font-size: .8rem; font-weight: 400; white-space: nowrap; }
thead button { all: unset; cursor: pointer; }
thead button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
thead button { position: relative; }
thead button::after { content: "\2195"; opacity: .45; position: absolute; left: calc(100% + .1rem); font-weight: 400; }
th[aria-sort=ascending] button::after { content: "\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\2193"; opacity: 1; }

dl.facts { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: .35rem 1.25rem; margin: 0 0 1.25rem; font-size: .95rem; }
dl.facts dt { color: var(--muted); }
dl.facts dd { margin: 0; }
@media (max-width: 520px) {
  dl.facts { display: block; }
  dl.facts dt { font-size: .84rem; margin-top: .5rem; }
}

.filter { display: flex; flex-wrap: wrap; gap: .4rem .8rem; align-items: center; margin: 0 0 .9rem; }
.filter label { color: var(--muted); font-size: .9rem; }
input[type=search] { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--muted); border-radius: 6px; padding: .38rem .65rem; width: min(22rem, 100%); }
output { color: var(--muted); font-size: .88rem; font-variant-numeric: tabular-nums; }
.chips { display: flex; flex-wrap: wrap; gap: .4rem; margin: .25rem 0 1rem; }
.chips button, .copy { font: inherit; font-size: .88rem; line-height: 1.3; color: var(--text); background: var(--card); border: 1px solid var(--muted); border-radius: 999px; padding: .3rem .85rem; cursor: pointer; }
.chips button:hover, .copy:hover { border-color: var(--accent); color: var(--accent); }
.chips button[aria-pressed=true] { background: var(--text); color: var(--bg); border-color: var(--text); }
[data-panels].one > [data-panel] > .panel-name { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }

.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1.25rem; margin: 0 0 1.25rem; }
.grid:has(> figure > svg.thumb) { display: flex; flex-wrap: wrap; }
.grid.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.grid.maps { grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
figure { margin: 0; min-width: 0; }
.card, figure.chart { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .85rem .9rem .7rem; }
.card > :first-child > h3, .card > h3:first-child { margin-top: 0; }
figcaption { color: var(--muted); font-size: .86rem; line-height: 1.45; margin-top: .4rem; }
svg.plot { display: block; width: 100%; height: auto; max-width: 44rem; overflow: visible; }
figure .head { margin: 0 0 .35rem; font-size: .95rem; font-weight: 600; line-height: 1.35; }
svg.plot text { fill: var(--muted); font-size: 12px; font-family: inherit; paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
@media (max-width: 520px) { svg.plot text { font-size: 14px; } }
svg.plot .axis { stroke: var(--muted); stroke-width: 1; fill: none; }
svg.plot .rule { stroke: var(--line); stroke-width: 1; fill: none; }
svg.plot .mark { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 3 3; fill: none; }
svg.plot .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg.plot .area { stroke-width: 1.75; fill-opacity: .16; stroke-linejoin: round; }
svg.plot .bar { fill-opacity: .82; }
svg.plot .whisker { stroke: var(--text); stroke-width: 1.25; fill: none; }
svg.plot .join { stroke: var(--muted); stroke-width: .6; stroke-opacity: .45; fill: none; }
svg.plot .dot { fill-opacity: .75; stroke: none; }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
.s4 { --c: var(--s4); } .s5 { --c: var(--s5); } .s6 { --c: var(--s6); } .s7 { --c: var(--s7); }
svg.plot .line, svg.plot .area { stroke: var(--c); }
svg.plot .area, svg.plot .bar, svg.plot .dot { fill: var(--c); }
ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .35rem 0 0; padding: 0; font-size: .84rem; color: var(--text); }
ul.legend li { display: flex; align-items: center; gap: .45rem; }
ul.legend svg { flex: none; width: 26px; height: 12px; }
ul.legend svg .line { fill: none; stroke: var(--c); stroke-width: 2.25; }
ul.legend svg .bar, ul.legend svg .dot { fill: var(--c); }
.heat { line-height: 2.1; }
.heat span { display: inline-block; padding: .05rem .35rem; margin: .1rem .12rem; border-radius: 4px; border-bottom: 3px solid transparent; }
.heat .up { background: color-mix(in srgb, var(--s1) var(--a), transparent); border-bottom-color: var(--s1); }
.heat .down { background: color-mix(in srgb, var(--s0) var(--a), transparent); border-bottom: 3px dashed var(--s0); }
.heat sub { font-size: .7rem; margin-left: .3rem; font-variant-numeric: tabular-nums; }

svg.thumb, .tile { display: block; max-width: 100%; height: auto; border-radius: 4px; background: var(--sunk); }
.tile { display: grid; place-content: center; text-align: center; aspect-ratio: 4 / 3; width: 100%; padding: .5rem; color: var(--muted); font-size: .78rem; line-height: 1.3; border: 1px dashed var(--muted); }
.ids { font-family: var(--mono); font-size: .78rem; color: var(--muted); }
bdi { unicode-bidi: isolate; }

.cap { display: block; max-height: 7.6em; overflow: auto; font-size: .92rem; line-height: 1.4; }
blockquote { margin: 0; padding: .1rem 0 .1rem .8rem; border-left: 3px solid var(--accent); }
blockquote .cap { font-size: 1.02rem; max-height: 12em; }
.query { display: grid; grid-template-columns: minmax(0, 14rem) minmax(0, 1fr); gap: 1rem 1.5rem; padding: 1.1rem 0; border-top: 1px solid var(--line); }
.query.solo { display: block; border: 0; padding: 0; }
.asked > * { margin: 0 0 .4rem; }
.own { color: var(--muted); font-size: .86rem; margin: 0; font-variant-numeric: tabular-nums; }
ol.answers { list-style: none; margin: 0; padding: 0; }
.to-image ol.answers { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .7rem; align-items: start; }
.to-text ol.answers { display: grid; gap: .3rem; }
.answer { border: 2px solid transparent; border-radius: 7px; padding: 3px; min-width: 0; }
.to-image .answer { background: var(--card); border-color: var(--line); }
.to-image .answer svg.thumb { width: 100%; height: 8.5rem; }
.to-text .answer { display: grid; grid-template-columns: minmax(6.5rem, max-content) minmax(0, 1fr); gap: .2rem .8rem; padding: .25rem .5rem; border-color: var(--line); background: var(--card); }
.answer.is-right { border-color: var(--good); background: var(--good-bg); }
.answer.appended { border-style: dashed; }
.answer-line { display: flex; flex-wrap: wrap; gap: 0 .55rem; align-items: baseline; font-size: .82rem; padding: .15rem .15rem 0; font-variant-numeric: tabular-nums; }
.rank { font-weight: 600; }
.score { color: var(--muted); font-size: .82rem; font-variant-numeric: tabular-nums; }
.right { color: var(--good); font-weight: 700; }
@media (max-width: 700px) {
  .query { grid-template-columns: minmax(0, 1fr); gap: .7rem; }
  .to-image ol.answers { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .5rem; }
  .to-text .answer { grid-template-columns: minmax(0, 1fr); }
  .to-image .answer svg.thumb { height: 7rem; }
}
.candidates { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); gap: 1rem; margin: 0 0 1rem; }
.candidate { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .4rem .9rem; align-content: start; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .75rem .9rem; }
.candidate > p { grid-column: 1 / -1; margin: 0; font-size: .84rem; }
.side { display: grid; gap: .3rem; align-content: start; }
.side p { margin: 0; }
.side svg.thumb { width: 100%; height: 7rem; }
.side blockquote .cap { font-size: .92rem; }
ul.remarks { margin: 0 0 1rem; padding-left: 1.2rem; max-width: 80ch; }
ul.remarks li { margin: 0 0 .3rem; }

details { margin: 0 0 1rem; }
summary { cursor: pointer; color: var(--accent); padding: .2rem 0; }
details > :not(summary):first-of-type { margin-top: .6rem; }
.code { position: relative; margin: 0 0 1rem; }
.code pre { margin: 0; padding: .8rem .9rem; background: var(--sunk); border: 1px solid var(--line); border-radius: 8px; overflow: auto; max-height: 32rem; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.5; }
.code .copy { position: absolute; top: .5rem; right: .5rem; border-radius: 6px; padding: .2rem .6rem; font-size: .8rem; }
.code:has(.copy:not([hidden])) pre { padding-right: 5.5rem; }
.notice { border: 1px solid var(--line); border-left: 4px solid var(--accent); background: var(--card); border-radius: 0 8px 8px 0; padding: .6rem .9rem; margin: 0 0 .9rem; max-width: 80ch; }
.notice.warning { border-left-color: var(--warn); background: var(--warn-bg); }
.notice b { margin-right: .4ch; }
.notice p { margin: 0; max-width: none; display: inline; }
footer { color: var(--muted); font-size: .86rem; border-top: 1px solid var(--line); padding-top: 1rem; }

@media print {
  :root { color-scheme: light; --bg: #fff; --card: #fff; --sunk: #f4f4f4; --text: #000; --muted: #444; --line: #bbb;
    --accent: #000; --good: #0b6b4b; --good-bg: #fff; --warn: #704000; --warn-bg: #fff; --strong-bg: #eee;
    --s0: #0072b2; --s1: #c85200; --s2: #007d5c; --s3: #a8407f; --s4: #6a5acd; --s5: #8a6a00; --s6: #2b8cbe; --s7: #555b61; }
  body { font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .frame { max-width: none; padding: 0; }
  .body { display: block; }
  main > section { content-visibility: visible; }
  nav.contents, .filter, .chips, .copy, .skip { display: none !important; }
  [data-panel][hidden] { display: block !important; }
  [data-panels].one > [data-panel] > .panel-name { position: static; width: auto; height: auto; clip-path: none; }
  .scroll, .code pre { overflow: visible; max-height: none; }
  figure, tr, .card, .query { break-inside: avoid; }
  h2, h3, h4 { break-after: avoid; }
}
)css";

}  // namespace diptych::report
