"""The report page's style sheet: it stands in the page, which needs nothing from anywhere."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --soft: #f4f6f8; --line: #dde2e7; --ink: #1a1f24; --quiet: #5c6670;
  --accent: #0b62b8; --on-accent: #ffffff; --kept: #1b7f4d; --bad: #b3261e;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #13171b; --soft: #1c2227; --line: #323b43; --ink: #e8ecef; --quiet: #9ba7b1;
    --accent: #6cb3ff; --on-accent: #0d1a26; --kept: #5fca94; --bad: #ff8f85;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans",
    sans-serif;
}
main { max-width: 75rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--accent); }
.quiet { color: var(--quiet); font-size: .875rem; }
.findings { list-style: none; margin: 1rem 0 0; padding: 0; }
.findings li { padding: .2rem 0 .2rem 1rem; border-left: 3px solid var(--accent); }
.badge-inline {
  display: inline-block; min-width: 1.5em; padding: 0 .3em; margin-right: .45em;
  border-radius: 1em; text-align: center; font-size: .8rem; font-weight: 600; line-height: 1.5;
  background: var(--accent); color: var(--on-accent);
}
.model { display: inline-flex; align-items: baseline; }
.badge-inline.float { background: var(--quiet); color: var(--paper); }

table { width: 100%; border-collapse: collapse; font-size: .875rem; margin: 1rem 0 .5rem; }
th, td { padding: .5rem .5rem; text-align: right; border-bottom: 1px solid var(--line); }
th { overflow-wrap: normal; font-weight: 600; color: var(--quiet); vertical-align: bottom;
  line-height: 1.25; }
td { font-variant-numeric: tabular-nums; white-space: nowrap; vertical-align: baseline; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td:first-child { white-space: normal; font-weight: 600; min-width: 12.5rem; }
tr.reference td { background: var(--soft); }
tr.reference td:first-child { padding-left: .4rem; }
td.trouble { text-align: left; white-space: normal; color: var(--bad); }
table.files td, table.files th { text-align: left; white-space: normal; vertical-align: top; }

.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 1.5rem; }
.plots figure { margin: 0; }
.plots figcaption { font-weight: 600; margin-bottom: .25rem; }
.plots svg { display: block; width: 100%; max-width: 36rem; height: auto; }
svg text { fill: var(--quiet); font: 11px system-ui, "Noto Sans", "DejaVu Sans", sans-serif; }
svg .tick { dominant-baseline: central; }
svg .mid { text-anchor: middle; }
svg .end { text-anchor: end; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .float { stroke: var(--quiet); stroke-width: 1.25; stroke-dasharray: 4 3; }
svg .lead { stroke: var(--accent); stroke-width: 1; }
svg .dot { fill: var(--accent); }
svg .badge { fill: var(--accent); stroke: var(--paper); stroke-width: 1.5; }
svg .number { fill: var(--on-accent); font-weight: 600; dominant-baseline: central; }
.key { list-style: none; padding: 0; margin: .75rem 0 0; display: flex; flex-wrap: wrap;
  gap: .25rem 1.25rem; font-size: .875rem; }

.worst { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .75rem;
  margin: 0; max-width: 60rem; }
.worst figure { margin: 0; }
.worst img { display: block; width: 100%; height: auto; border-radius: 4px;
  background: var(--soft); }
.worst figcaption { font-size: .8125rem; color: var(--quiet); padding-top: .3rem;
  line-height: 1.35; }
.scale { display: block; height: .45rem; border-radius: 2px; margin: .25rem 0 .1rem;
  background: linear-gradient(90deg, #000004, #420a68, #932667, #dd513a, #fca50a, #fcffa4); }
.ends { display: flex; justify-content: space-between; }

.layers { list-style: none; margin: .75rem 0; padding: 0; max-width: 60rem; }
.layers li { display: grid; grid-template-columns: minmax(0, 22rem) minmax(4rem, 1fr) 5rem;
  gap: .75rem; align-items: center; padding: .12rem 0; font-size: .8125rem; }
.layers li > span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.layers b { font-weight: 500; }
.layers i { font-style: normal; color: var(--quiet); }
.layers svg { display: block; width: 100%; height: .55rem; border-radius: 2px; }
svg .track { fill: var(--soft); }
svg .bar { fill: var(--accent); }
.layers .kept .bar { fill: var(--kept); }
.layers .kept i { color: var(--kept); }

dl { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .2rem 1rem; margin: .75rem 0;
  font-size: .875rem; }
dt { color: var(--quiet); }
dd { margin: 0; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }

@media screen and (max-width: 60rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  h2 { margin-top: 2.25rem; }
  /* A table of a dozen columns does not fit: every model becomes a card of its own. */
  table, tbody { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.75rem, 1fr));
    gap: 0 1.25rem; padding: .8rem 0; border-bottom: 1px solid var(--line); }
  table.files tr { grid-template-columns: minmax(0, 1fr); }
  td, td:first-child { border: 0; padding: .1rem 0; min-width: 0; }
  td { display: flex; justify-content: space-between; gap: .75rem; }
  td:first-child, td.trouble { grid-column: 1 / -1; display: block; font-size: 1rem; }
  td.trouble { font-size: .875rem; }
  td::before { content: attr(data-label); color: var(--quiet); font-weight: 400; }
  td:first-child::before, td.trouble::before { content: none; }
  td.empty { display: none; }
  table.files td { display: block; }
  table.files td.empty { display: none; }
  table.files td::before { content: attr(data-label) ": "; }
  table.files td:first-child::before { content: none; }
  tr.reference { background: var(--soft); margin: 0 -1rem; padding: .8rem 1rem; }
  tr.reference td, tr.reference td:first-child { background: none; padding-left: 0; }
}
@media screen and (max-width: 34rem) {
  .worst { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .worst figure.heat { grid-column: 1 / -1; display: grid; gap: .75rem;
    grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .layers li { grid-template-columns: minmax(0, 1fr) 4.5rem; gap: .1rem .75rem;
    padding: .3rem 0; }
  .layers li .layer { grid-column: 1 / -1; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: .6rem; }
}
@page { size: A4; margin: 14mm 12mm; }
@media print {
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 17pt; }
  h2 { font-size: 12.5pt; margin-top: 1.6rem; break-after: avoid; }
  h3 { break-after: avoid; }
  table { font-size: 7.5pt; }
  th, td { padding: .3rem .22rem; }
  td:first-child { min-width: 7rem; }
  tr, figure, li, .worst, .keep { break-inside: avoid; }
  h2 + p, h3 + p { break-after: avoid; }
  .layers { columns: 2; column-gap: 1.5rem; }
  .layers li { grid-template-columns: minmax(0, 1fr) 4.5rem 3.4rem; }
  .plots { grid-template-columns: 1fr 1fr; }
  .worst { max-width: 30rem; }
  .quiet, .key, dl, .layers li { font-size: 8pt; }
}
"""
