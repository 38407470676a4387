/**
 * The one style sheet of every page, inlined. The content security policy names its SHA-256, so that no other style
 * can be smuggled in. Colours are chosen for a contrast of 4.5 and more in both schemes; a test measures them.
 */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #f3f2ee; --card: #ffffff; --ink: #1b2024; --soft: #545c64; --line: #dcdad3; --edge: #858b91;
  --accent: #17594a; --accent-over: #0f4539; --on-accent: #ffffff; --focus: #1a5fd0;
  --note: #fff5dc; --note-edge: #b77a12; --note-ink: #4d3500;
  --grave: #fdebe8; --grave-edge: #b8322a; --grave-ink: #68140f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #121518; --card: #1c2024; --ink: #e9ebed; --soft: #aab2b9; --line: #343a40; --edge: #7d868e;
    --accent: #86d9bd; --accent-over: #a5e6d0; --on-accent: #08271e; --focus: #8ab6ff;
    --note: #332a14; --note-edge: #d09a3a; --note-ink: #f7e3b4;
    --grave: #3a1a18; --grave-edge: #ef7d73; --grave-ink: #ffd6d1;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; padding: clamp(1rem, 5vw, 3.5rem) 1rem 3rem;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
header, main { max-width: 35rem; margin-inline: auto; }
header { display: flex; align-items: center; gap: .5rem; margin-block-end: 1rem; color: var(--soft); font-weight: 600; }
header p { margin: 0; letter-spacing: .01em; }
header svg { flex: none; color: var(--accent); }
main {
  background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: clamp(1.25rem, 5vw, 2.25rem);
  box-shadow: 0 1px 2px rgb(0 0 0 / .05), 0 10px 30px -14px rgb(0 0 0 / .18);
}
main > :first-child { margin-block-start: 0; }
main > :last-child { margin-block-end: 0; }
h1 { margin: 0 0 .5rem; font-size: clamp(1.35rem, 5.2vw, 1.7rem); line-height: 1.25; letter-spacing: -.012em; }
h2 { margin: 1.75rem 0 .5rem; font-size: 1rem; line-height: 1.4; }
p { margin: 0 0 1rem; }
.lead { color: var(--soft); }
code { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
dl { margin: 1.25rem 0 0; border-block-start: 1px solid var(--line); }
dl > div { display: grid; grid-template-columns: 8.5rem minmax(0, 1fr); gap: .1rem 1rem; padding-block: .65rem; border-block-end: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; }
ul, ol { margin: 0; padding-inline-start: 1.35rem; }
li { padding-block: .2rem; }
li::marker { color: var(--soft); }
ul.asked { list-style: none; padding: 0; border: 1px solid var(--line); border-radius: 10px; }
ul.asked li { padding: .65rem .9rem; }
ul.asked li + li { border-block-start: 1px solid var(--line); }
.raw { display: block; color: var(--soft); font-size: .875rem; }
.note, .grave { margin: 1.25rem 0 0; padding: .8rem 1rem; border-inline-start: 4px solid; border-radius: 3px 10px 10px 3px; }
.note { background: var(--note); color: var(--note-ink); border-color: var(--note-edge); }
.grave { background: var(--grave); color: var(--grave-ink); border-color: var(--grave-edge); }
.note p, .grave p { margin: 0; }
.note p + p, .grave p + p { margin-block-start: .35rem; }
form { margin: 1.75rem 0 0; }
.choices { display: flex; flex-wrap: wrap; gap: .75rem; }
.button {
  display: inline-flex; align-items: center; justify-content: center; min-height: 2.875rem; min-width: 7rem; max-width: 100%;
  padding: .6rem 1.25rem; border: 1px solid var(--edge); border-radius: 10px;
  background: transparent; color: var(--ink); font: inherit; font-weight: 600; line-height: 1.3;
  text-align: center; text-decoration: none; overflow-wrap: anywhere; cursor: pointer;
}
.button > span { min-width: 0; }
.button:hover { border-color: var(--ink); }
.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.primary:hover { background: var(--accent-over); border-color: var(--accent-over); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 3px; }
label { display: block; font-weight: 600; }
.hint { margin: .15rem 0 .6rem; color: var(--soft); }
.fault { margin: 0 0 1rem; }
input {
  display: block; width: 100%; min-height: 3.25rem; padding: .5rem .9rem;
  border: 1px solid var(--edge); border-radius: 10px; background: var(--ground); color: var(--ink);
  font: 600 1.35rem/1.3 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
  letter-spacing: .08em; text-transform: uppercase;
}
input[aria-invalid] { border: 2px solid var(--grave-edge); }
input + .choices { margin-block-start: 1rem; }
.code {
  margin: 1.25rem 0; padding: 1.1rem 1rem; border: 1px dashed var(--edge); border-radius: 12px; background: var(--ground);
  font: 700 clamp(1.6rem, 9vw, 2.5rem)/1.2 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
  letter-spacing: .1em; text-indent: .1em; text-align: center; -webkit-user-select: all; user-select: all;
}
.spoken {
  position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; -webkit-user-select: none; user-select: none;
}
.small { margin: 1.5rem 0 0; color: var(--soft); font-size: .875rem; }
@media (max-width: 30rem) {
  dl > div { grid-template-columns: minmax(0, 1fr); }
  .choices > * { flex: 1 1 100%; }
}
@media (prefers-reduced-motion: no-preference) {
  .button { transition: background-color .12s, border-color .12s; }
}
`
