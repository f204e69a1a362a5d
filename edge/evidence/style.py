"""The report page's style sheet: it stands in the page, which needs nothing from anywhere."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light;
  --paper: #ffffff; --soft: #f4f5f7; --line: #d8dde3; --ink: #16191d; --quiet: #565f69;
  --holds: #176b42; --fails: #b3261e; --note: #8a5300; --open: #4a5560;
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 15px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC",
    "PingFang SC", "Microsoft YaHei", "DejaVu Sans", sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0; }
h1 span, h2 span { font-weight: 500; color: var(--quiet); }
h2 { font-size: 1.15rem; line-height: 1.35; margin: 2.75rem 0 .75rem; padding-bottom: .3rem;
  border-bottom: 2px solid var(--ink); }
h3 { font-size: 1rem; line-height: 1.4; margin: 0; }
p { margin: .2rem 0; }
.name { font-size: 1.05rem; color: var(--quiet); margin: .3rem 0 1.25rem; }
.quiet, figcaption, footer { color: var(--quiet); font-size: .875rem; }
.both { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.25fr); gap: 0 1.75rem; }

.result { border: 1px solid var(--line); border-left: 6px solid var(--tone);
  background: var(--soft); padding: .8rem 1.1rem; border-radius: 4px; }
.result > .both { font-size: 1.125rem; font-weight: 600; }
.holds { --tone: var(--holds); }
.fails { --tone: var(--fails); }
.note { --tone: var(--note); }
.open { --tone: var(--open); }

.file { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 22rem); gap: 1.5rem;
  margin-top: 1.75rem; align-items: start; }
dl { display: grid; grid-template-columns: 10.5rem minmax(0, 1fr); gap: .3rem 1rem; margin: 0; }
dl.fields { grid-template-columns: minmax(0, 22rem) minmax(0, 1fr); font-size: .875rem; }
dt { color: var(--quiet); font-size: .875rem; }
dd { margin: 0; }
dl.fields > dt, dl.fields > dd { border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
.hash, code, pre, dl.fields dd { font-family: ui-monospace, "DejaVu Sans Mono", "Noto Sans Mono",
  "Noto Sans CJK SC", monospace; font-size: .8125rem; }
.shots { display: grid; gap: .75rem; }
figure { margin: 0; }
.frame { position: relative; display: block; }
.frame img { display: block; width: 100%; height: auto; border: 1px solid var(--line); }
.frame i { position: absolute; outline: 2px solid #e0115f; outline-offset: 2px; }

.checks { list-style: none; counter-reset: check; margin: 0; padding: 0; }
.checks > li { counter-increment: check; position: relative; padding: .9rem 0 .9rem 2.75rem;
  border-bottom: 1px solid var(--line); }
.checks > li::before { content: counter(check); position: absolute; left: 0; top: .95rem;
  width: 1.85rem; height: 1.85rem; line-height: 1.85rem; border-radius: 50%; text-align: center;
  font-size: .875rem; font-weight: 600; color: #ffffff; background: var(--tone); }
.state { color: var(--tone); font-weight: 600; }
.state span { font-weight: 500; }
.story { margin: .5rem 0; padding-left: 1.4rem; }
.story > li { padding: .25rem 0; }
.caution { color: var(--fails); font-weight: 600; }
code { display: block; background: var(--soft); border: 1px solid var(--line); border-radius: 4px;
  padding: .3rem .6rem; margin: .25rem 0 .4rem; }
details { margin-top: 2.75rem; }
summary h2 { display: inline-block; margin: 0; border: 0; }
pre { white-space: pre-wrap; background: var(--soft); border: 1px solid var(--line); padding: 1rem;
  border-radius: 4px; line-height: 1.45; }
footer { margin-top: 3rem; padding-top: .75rem; border-top: 1px solid var(--line); }

@media screen and (max-width: 46rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.4rem; }
  .both, .file, dl.fields { grid-template-columns: minmax(0, 1fr); }
  .both > [lang="en"] { color: var(--quiet); }
  .result .both > [lang="en"] { color: inherit; }
  dl, dl.fields { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: .55rem; }
  dl.fields > dt { border: 0; padding: 0; }
  .shots { max-width: 30rem; }
}
@page { size: A4; margin: 15mm 14mm; }
@media print {
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body { font-size: 9.5pt; line-height: 1.45; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 17pt; }
  h2 { font-size: 12pt; margin: 1.5rem 0 .5rem; break-after: avoid; }
  h3 { font-size: 10pt; }
  .result > .both { font-size: 11pt; }
  .quiet, figcaption, footer, dt, dl.fields { font-size: 8.5pt; }
  .hash, code, dl.fields dd { font-size: 8pt; }
  pre { font-size: 6.5pt; padding: .5rem; columns: 2; column-gap: 1rem; }
  .file { grid-template-columns: minmax(0, 1fr) 58mm; }
  dl { grid-template-columns: 30mm minmax(0, 1fr); }
  dl.fields { grid-template-columns: 75mm minmax(0, 1fr); }
  .checks > li, figure, .story > li, header, .result { break-inside: avoid; }
  .checks > li { padding: .5rem 0 .5rem 2.4rem; }
  .checks > li::before { top: .5rem; }
  .quiet { break-before: avoid; }
}
"""
