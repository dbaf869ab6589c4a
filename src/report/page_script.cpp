#include "report/page_assets.h"

namespace diptych::report {

const std::string_view kPageScript = R"js('use strict';
(() => {
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const make = (tag, text) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (tag === 'button') element.type = 'button';
    return element;
  };

  // Tables: the heads become buttons. Up, down, as written.
  for (const table of all('table[data-sort]')) {
    const body = table.tBodies[0];
    const original = Array.from(body.rows);
    const heads = Array.from(table.tHead.rows[0].cells);
    const value = (row, column) => {
      const cell = row.cells[column];
      return cell.dataset.v !== undefined ? Number(cell.dataset.v) : cell.textContent.trim().toLowerCase();
    };
    const compare = (a, b) => {
      if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
      return typeof a === 'number' ? -1 : 1;
    };
    heads.forEach((head, column) => {
      const button = make('button');
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener('click', () => {
        const now = head.getAttribute('aria-sort');
        const first = head.classList.contains('n') ? 'descending' : 'ascending';
        const second = first === 'ascending' ? 'descending' : 'ascending';
        const next = now === first ? second : now === second ? null : first;
        for (const each of heads) each.removeAttribute('aria-sort');
        const rows = original.slice();
        if (next) {
          head.setAttribute('aria-sort', next);
          const sign = next === 'ascending' ? 1 : -1;
          rows.sort((a, b) => sign * compare(value(a, column), value(b, column)));
        }
        for (const row of rows) body.appendChild(row);
      });
    });
  }

  // Panels: buttons that show one of them, or all.
  for (const group of all('[data-panels]')) {
    const list = Array.from(group.children).filter((each) => each.dataset.panel !== undefined);
    if (list.length < 2) continue;
    const bar = make('div');
    bar.className = 'chips';
    bar.setAttribute('role', 'group');
    bar.setAttribute('aria-label', group.dataset.panels);
    const choose = (index) => {
      list.forEach((panel, i) => { panel.hidden = index >= 0 && i !== index; });
      Array.from(bar.children).forEach((each, i) => each.setAttribute('aria-pressed', String(i === index + 1)));
      group.classList.toggle('one', index >= 0);
    };
    ['All'].concat(list.map((panel) => panel.dataset.panel)).forEach((name, i) => {
      const button = make('button', name);
      button.addEventListener('click', () => choose(i - 1));
      bar.appendChild(button);
    });
    group.insertBefore(bar, list[0]);
    group.addEventListener('show-all', () => choose(-1));
    choose(0);
  }

  // Search boxes: every word must occur in an item.
  for (const box of all('[data-filter]')) {
    const root = document.getElementById(box.dataset.filter);
    const input = box.querySelector('input');
    const output = box.querySelector('output');
    if (!root || !input) continue;
    box.hidden = false;
    let items = null;
    input.addEventListener('input', () => {
      items = items || all('[data-item]', root).map((element) => [element, element.textContent.toLowerCase()]);
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length) for (const group of all('[data-panels]', root)) group.dispatchEvent(new Event('show-all'));
      let shown = 0;
      for (const [element, text] of items) {
        const fits = words.every((word) => text.includes(word));
        element.hidden = !fits;
        if (fits) ++shown;
      }
      output.textContent = words.length ? shown + ' of ' + items.length + ' shown' : '';
    });
  }

  // Copy buttons.
  for (const button of all('button[data-copy]')) {
    const source = document.getElementById(button.dataset.copy);
    if (!source) continue;
    button.hidden = false;
    const label = button.textContent;
    const say = (text) => {
      button.textContent = text;
      setTimeout(() => { button.textContent = label; }, 1500);
    };
    const select = () => {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      say('Selected: press Ctrl+C');
    };
    button.addEventListener('click', () => {
      if (!navigator.clipboard) return select();
      navigator.clipboard.writeText(source.textContent).then(() => say('Copied'), select);
    });
  }

  // Everything is open on paper.
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = all('details:not([open])');
    for (const each of opened) each.open = true;
  });
  addEventListener('afterprint', () => { for (const each of opened) each.open = false; });

  // The contents list marks the section being read.
  const links = new Map(all('nav.contents a').map((link) => [link.getAttribute('href').slice(1), link]));
  if (links.size && 'IntersectionObserver' in window) {
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute('aria-current');
        const link = links.get(entry.target.id);
        if (link) link.setAttribute('aria-current', 'true');
      }
    }, {rootMargin: '0px 0px -75% 0px'});
    for (const section of all('main > section')) observer.observe(section);
  }
})();
)js";

}  // namespace diptych::report
