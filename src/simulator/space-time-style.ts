/** The look of the space-time report, in light and dark, and its zoom. */
export const SPACE_TIME_STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #d5dae0; --bad: #b3261e; --ok: #1a7f37;
  --leader: #f2b134; --follower: #cfe0f3; --candidate: #e58fb1; --down: #6b7280; --starting: #d9d9d9; --learner: #cdebd0;
  --append: #2563eb; --vote: #b4237a; --snapshot: #0f766e; --other: #9aa3ad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #14171a; --faint: #333a42; --bad: #ff7b72; --ok: #56d364;
  --leader: #b7791f; --follower: #24405e; --candidate: #8b3a5e; --down: #4b5563; --starting: #3a3f45; --learner: #235b32;
  --append: #7aa7ff; --vote: #ff8ac4; --snapshot: #4fd1c5; --other: #6b7580; } }
body { margin: 0; font: 13px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
header { padding: 12px 16px; } h1 { font-size: 18px; margin: 0; } p { margin: 4px 0; white-space: pre-wrap; }
.bad, .violation { color: var(--bad); font-weight: 600; } .ok { color: var(--ok); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; list-style: none; padding: 0; margin: 6px 0; }
.legend i { display: inline-block; width: 18px; height: 10px; margin-right: 4px; }
.legend b { display: inline-block; width: 18px; height: 0; margin-right: 4px; vertical-align: middle; border-top: 2px solid; }
.legend b.append { color: var(--append); } .legend b.vote { color: var(--vote); } .legend b.snapshot { color: var(--snapshot); }
.legend b.other { color: var(--other); } .legend b.lost { color: var(--bad); border-top-style: dashed; }
main { overflow: auto; border-top: 1px solid var(--faint); padding-left: 64px; }
.plane { position: relative; } svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.name { position: sticky; left: -60px; width: 56px; margin-left: -60px; height: 0; font-weight: 600; z-index: 2; transform: translateY(-8px); }
line { vector-effect: non-scaling-stroke; stroke-width: 1; stroke: var(--other); }
line:hover { stroke-width: 3; }
line.append { stroke: var(--append); } line.vote { stroke: var(--vote); stroke-width: 1.5; } line.snapshot { stroke: var(--snapshot); }
line.lost { stroke: var(--bad); stroke-dasharray: 3 3; } line.operation { stroke-width: 5; stroke: var(--ok); }
line.operation.unsure { stroke: var(--bad); }
.role-leader { fill: var(--leader); background: var(--leader); } .role-follower { fill: var(--follower); background: var(--follower); }
.role-candidate, .role-preCandidate { fill: var(--candidate); background: var(--candidate); }
.role-learner { fill: var(--learner); background: var(--learner); }
.role-down { fill: var(--down); background: var(--down); } .role-starting { fill: var(--starting); background: var(--starting); }
.tick { position: absolute; top: 20px; padding-left: 3px; border-left: 1px solid var(--faint); font-size: 10px; white-space: nowrap; }
.mark, .term { position: absolute; white-space: nowrap; font-size: 12px; line-height: 14px; cursor: default; z-index: 1; }
.mark { transform: translateX(-50%); } .mark.phase, .mark.violation { transform: none; }
.term { padding-left: 3px; pointer-events: none; } .crash, .stop { color: var(--bad); } .fault { color: var(--vote); } .start { color: var(--ok); }
`

export const SPACE_TIME_SCRIPT = `
const main = document.querySelector('main'), zoom = document.getElementById('zoom');
zoom.addEventListener('input', () => {
  const before = Number(main.style.getPropertyValue('--zoom')), next = 2 ** Number(zoom.value);
  const middle = (main.scrollLeft + main.clientWidth / 2) / before;
  main.style.setProperty('--zoom', String(next));
  main.scrollLeft = middle * next - main.clientWidth / 2;
});
main.addEventListener('wheel', (event) => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  zoom.value = String(Number(zoom.value) - Math.sign(event.deltaY) * 0.25);
  zoom.dispatchEvent(new Event('input'));
}, { passive: false });
if (document.querySelector('.mark.violation')) main.scrollLeft = main.scrollWidth;
`
