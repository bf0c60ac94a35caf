"""How a report looks: colours for light and dark screens, paper and print; nothing of it comes from elsewhere.

Texts have a contrast of 4.5 or more to what is behind them, and marks of 3, in both schemes (WCAG 2.2 AA); a test in a
browser holds that.
"""

from __future__ import annotations

PALETTE = """
:root{color-scheme:light;--paper:#fff;--surface:#f5f6f8;--ink:#1a2029;--quiet:#55606d;--rule:#dde2e8;--dots:#8b95a2;
--blue:#1d5fbf;--orange:#b4530a;--green:#12783f;--red:#b3261e;--purple:#7a3fb0}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;--paper:#11151b;--surface:#1a2028;--ink:#e6eaf0;
--quiet:#a5afbc;--rule:#303945;--dots:#6c7887;--blue:#7db0ff;--orange:#f2a65f;--green:#5dd08c;--red:#ff8b80;
--purple:#cda4f4}}
"""

CHART = """
.chart{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:12.5px}
.chart text{fill:var(--ink);font-variant-numeric:tabular-nums} .chart .tick,.chart .axis{fill:var(--quiet)}
.chart .end{text-anchor:end} .chart .middle{text-anchor:middle} .chart .title{font-size:16px;font-weight:600}
.chart .label{font-weight:600;paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
.chart .paper{fill:var(--paper)} .chart .grid{stroke:var(--rule)} .chart .base{stroke:var(--quiet)}
.chart .dots{stroke:var(--dots);stroke-width:5;stroke-linecap:round;fill:none}
.chart .front,.chart .curve{fill:var(--blue);stroke:var(--paper)}
.chart .finalist{fill:var(--orange);stroke:var(--paper)}
.chart .verified{fill:var(--green);stroke:var(--paper)} .chart .tick-mark{fill:none;stroke:var(--paper);stroke-width:2}
.chart .line{fill:none;stroke:var(--blue);stroke-width:1.5} .chart .line.curve{stroke-width:2}
.chart .interval{fill:none;stroke:var(--blue);stroke-width:1.5} .chart .interval.finalist{stroke:var(--orange)}
.chart .interval.verified{stroke:var(--green)} .chart .test{fill:var(--purple);stroke:var(--paper)}
.chart .interval.test{stroke:var(--purple)} .chart .many{stroke:var(--blue);stroke-width:8;stroke-linecap:round}
.chart .bar{fill:var(--blue)} .chart .bar.bad{fill:var(--red)} .chart .track{fill:var(--surface)}
"""

PAGE = """
*{box-sizing:border-box} html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.55;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
a{color:var(--blue)} :focus-visible{outline:2px solid var(--blue);outline-offset:2px}
.skip{position:absolute;left:-99rem} .skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem 1rem}
.page{max-width:60rem;margin:0 auto;padding:2.5rem 1rem 4rem}
header{margin-bottom:2rem} .kind{margin:0;color:var(--quiet);font-size:.875rem;letter-spacing:.02em}
h1{font-size:clamp(1.75rem,1.3rem + 2vw,2.5rem);line-height:1.15;letter-spacing:-.02em;margin:.25rem 0 .75rem;
overflow-wrap:anywhere} h2{font-size:1.375rem;line-height:1.25;letter-spacing:-.01em;margin:0 0 .75rem}
section{margin-top:3.5rem;scroll-margin-top:1rem} p{margin:.75rem 0;max-width:44rem;overflow-wrap:anywhere}
.lead{font-size:1.0625rem;margin:0} .said{color:var(--quiet)}
nav ol{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.875rem}
nav a{color:var(--quiet);text-decoration:none;display:inline-block;padding:.2rem 0} nav a:hover{color:var(--blue);
text-decoration:underline}
.tiles{display:grid;grid-template-columns:repeat(var(--columns),minmax(0,1fr));gap:.75rem;margin:1.5rem 0 0}
.tiles div{background:var(--surface);border-radius:.5rem;padding:.75rem 1rem;min-width:0}
.tiles dt{font-size:.8125rem;color:var(--quiet);overflow-wrap:anywhere}
.tiles dd{margin:0;font-size:1.375rem;line-height:1.3;font-weight:600;letter-spacing:-.01em;overflow-wrap:anywhere;
font-variant-numeric:tabular-nums}
.facts{display:grid;grid-template-columns:minmax(0,13rem) minmax(0,1fr);margin:1rem 0;font-size:.9375rem}
.facts div{display:grid;grid-template-columns:subgrid;grid-column:1/-1;border-top:1px solid var(--rule);padding:.4rem 0}
.facts dt{color:var(--quiet);padding-right:1rem} .facts dd{margin:0;overflow-wrap:anywhere}
figure{margin:2rem 0} figcaption{font-weight:600;margin-bottom:.6rem;overflow-wrap:anywhere}
.chart{display:block;width:100%;height:auto;overflow:visible} .small{display:none} .small .dots{stroke-width:4}
.pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:0 3rem}
.pair figure{margin:1.25rem 0}
.wide{overflow:auto;margin:1.25rem 0;border-bottom:1px solid var(--rule)}.tall{max-height:38rem}
table{border-collapse:separate;border-spacing:0;font-size:.875rem;width:100%}
caption{text-align:left;font-weight:600;font-size:1rem;padding:0 0 .5rem}
th,td{padding:.45rem 1rem .45rem 0;text-align:left;vertical-align:top;
border-top:1px solid var(--rule)}
th:last-child,td:last-child{padding-right:0}
thead th,thead .number{white-space:normal}
thead th{position:sticky;top:0;z-index:1;background:var(--paper);color:var(--quiet);font-weight:500;border-top:0;
border-bottom:1px solid var(--quiet);vertical-align:bottom}
tbody tr:first-child>*{border-top:0} tbody tr:hover>*{background:var(--surface)}
tbody th{font-weight:500;position:sticky;left:0;background:var(--paper);white-space:nowrap}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.name,.code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.8125rem}
td.code{color:var(--quiet);min-width:15rem} .long{min-width:17rem;overflow-wrap:anywhere} .short{white-space:nowrap}
.good{color:var(--green);font-weight:600} .bad{color:var(--red);font-weight:600}
pre{background:var(--surface);border-radius:.5rem;padding:1rem;overflow:auto;max-height:30rem;line-height:1.5;
margin:1rem 0}
@media (min-width:80rem){.page{max-width:77rem;display:grid;grid-template-columns:11rem minmax(0,60rem);
gap:0 4rem;justify-content:center} header{grid-column:2} nav{grid-column:1;grid-row:1/99;position:sticky;top:2.5rem;
align-self:start} nav ol{display:block} main{grid-column:2}}
@media (max-width:40rem){.page{padding-top:1.5rem} section{margin-top:2.75rem} .big{display:none} .small{display:block}
.facts{grid-template-columns:8.5rem minmax(0,1fr)} .tiles{grid-template-columns:1fr 1fr}
.tiles div:last-child:nth-child(odd){grid-column:1/-1} .tiles dd{font-size:1.25rem}
td.code{white-space:nowrap}}
@media print{@page{margin:16mm} html{font-size:11px} body{line-height:1.4} nav,.skip{display:none}
.page{display:block;max-width:none;padding:0} section{margin-top:2rem} h2,figcaption,caption{break-after:avoid}
p,figure,tr,.facts div,.tiles div{break-inside:avoid} .wide,pre{max-height:none;overflow:visible}
pre{white-space:pre-wrap;overflow-wrap:anywhere} .tiles div,pre,.chart .track{border:1px solid var(--rule)}
td.code{min-width:0} .long{min-width:9rem} .said{break-after:avoid}
.pair{grid-template-columns:1fr 1fr} th,td{padding-right:.75rem} thead th,tbody th{position:static}
.big{display:block} .small{display:none} body{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
