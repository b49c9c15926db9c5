"""The style of the page: light and dark, narrow and wide."""

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif;
  --page: #fff; --text: #1a1a1a; --quiet: #555; --line: #d0d0d0; --code: #f2f2f2;
  --good: #146528; --bad: #b01818; --link: #0b4fa8; }
@media (prefers-color-scheme: dark) { :root {
  --page: #161616; --text: #ececec; --quiet: #b4b4b4; --line: #444; --code: #262626;
  --good: #6fd48a; --bad: #ff8a80; --link: #8ab8ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); }
main { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1, h2, h3, p, li, td, th, summary, blockquote, pre { overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2rem; }
h3 { font-size: 1rem; } small, .quiet { color: var(--quiet); }
.good { color: var(--good); } .bad { color: var(--bad); } a { color: var(--link); }
article { border-top: 1px solid var(--line); }
article:target h3 { background: var(--code); }
blockquote { margin: 0 0 1rem; padding-left: .8rem; border-left: 3px solid var(--line); }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .25rem .6rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th, td[data-title="check"], td[data-title="seen"] { overflow-wrap: normal; }
pre { margin: .5rem 0; padding: .7rem; white-space: pre-wrap; background: var(--code);
  font-size: .85rem; }
summary { cursor: pointer; padding: .15rem 0; color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
@media (max-width: 42rem) {
  thead { display: none; }
  table, tbody, tr, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
  td { border: 0; padding: 0; }
  td[data-title]:not([data-title=""])::before { content: attr(data-title) ": ";
    color: var(--quiet); }
}
"""
