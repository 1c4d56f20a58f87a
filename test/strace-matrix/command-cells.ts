/**
 * Cells of commands: `init` and `promote` as processes that meet the fault. Run again without it, a command succeeds, or refuses with
 * its reason while the way that its hint names is open; and nothing half-made is taken for whole.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { FARSHORE_PROGRAM, runProgram } from '../support/host-process.ts';
import { codeOfThrown, promoteStopped, startPrimary, startSecondary } from './inner-host.ts';
import { Scene, SLOTS, type Template } from './scene.ts';
import { initInside } from './templates.ts';
import { straceWrapper, TRACED_ENVIRONMENT, type Fault } from './traced.ts';
import { endOf, must, nameEnd, reportOf, type CellReport } from './verdict.ts';

type Role = 'primary' | 'secondary';
interface Cell {
  readonly report: CellReport;
  readonly scene: Scene;
}

const COMMAND_MS = 30_000;

/** What init says of leftovers of one that was killed. */
const LEFTOVERS: ReadonlySet<string> = new Set(['ERR_VOLUME_EXISTS', 'ERR_JOURNALS_EXIST']);

export async function initCell(role: Role, fault: Fault): Promise<Cell> {
  const scene = await Scene.open(null);
  let text = '';
  const work = async (): Promise<string> => {
    const { end, log } = await runTraced({ scene, role, fault, args: ['init'] });
    text = log;
    if (end === 'stopped well') {
      await judgeStarts(scene, role);
      return 'went on';
    }
    const started = await codeOfStart(scene, role);
    if (started === null) {
      must(end === 'killed', `${end}, and yet the host starts`);
      must((await codeOfInit(scene, role)) === 'ERR_ALREADY_INITIALISED', 'a host that starts is initialised');
      return `${end}; the host is whole and starts`;
    }
    must(started === 'ERR_NOT_INITIALISED', `a start after it does not say that nothing was initialised: ${started}`);
    const again = await codeOfInit(scene, role);
    if (again === null) {
      await judgeStarts(scene, role);
      return `${end}; run again, it succeeds`;
    }
    must(end === 'killed' && LEFTOVERS.has(again), `${end}; run again, it refuses: ${again}`);
    // The hint: what the one before left behind is removed by hand.
    rmSync(join(scene.folder, role), { recursive: true, force: true });
    must((await codeOfInit(scene, role)) === null, 'it does not succeed on empty ground');
    return `${end}; run again, it refuses with ${again} until what was left is removed`;
  };
  const report = await reportOf({ scene, fault, log: () => [text, ...scene.lines].join('\n'), work });
  return { report, scene };
}

/** Of a secondary that was killed: complete sets are to be destaged, a partial one is to be discarded. */
export async function promoteCell(template: Template, fault: Fault): Promise<Cell> {
  const scene = await Scene.open(template);
  const { secondary } = scene.hosts;
  let text = '';
  const work = async (): Promise<string> => {
    const { end, log } = await runTraced({ scene, role: 'secondary', fault, args: ['promote'] });
    text = log;
    let kept: number;
    try {
      kept = await promoteStopped(secondary, scene.lines);
    } catch (error) {
      must(false, `${end}; run again, it refuses: ${codeOfThrown(error)}`);
    }
    must(kept === template.complete, `${kept} requests are kept, ${template.complete} were complete`);
    const states = scene.history.statesOf(secondary);
    must(states.includes(kept), `its volumes hold what ${states.join(' or ') || 'no number of'} requests make, not ${kept}`);
    const served = await startSecondary(secondary, scene.lines);
    const { state } = served.status();
    await served.stop();
    must(state === 'promoted', `started, it is ${state}`);
    return end === 'stopped well' ? 'went on' : `${end}; run again, it succeeds`;
  };
  const report = await reportOf({ scene, fault, log: () => [text, ...scene.lines].join('\n'), work });
  return { report, scene };
}

async function runTraced(options: {
  scene: Scene;
  role: Role;
  fault: Fault;
  args: readonly string[];
}): Promise<{ end: string; log: string }> {
  const { scene, role, fault, args } = options;
  const host = scene.hosts[role];
  host.writeConfig();
  const wrapper = straceWrapper({ folder: scene.folder, role, slots: SLOTS, tracePath: scene.tracePath, fault });
  const [program, ...rest] = [...wrapper, process.execPath, FARSHORE_PROGRAM, ...args, '-c', host.configPath];
  const ended = await runProgram(program, rest, { env: TRACED_ENVIRONMENT, timeoutMs: COMMAND_MS }).catch(() => null);
  must(ended !== null, `hang: it does not end within ${COMMAND_MS / 1000} s`);
  scene.lines.push(ended.stdout, ended.stderr);
  const end = endOf(ended);
  return { end: nameEnd(end, fault), log: end.log };
}

/** Null: it succeeded. */
async function codeOfInit(scene: Scene, role: Role): Promise<string | null> {
  return initInside(scene.hosts[role]).then(() => null, codeOfThrown);
}

/** Null: it started, and was stopped. */
async function codeOfStart(scene: Scene, role: Role): Promise<string | null> {
  try {
    const host =
      role === 'primary' ? await startPrimary(scene.hosts.primary, scene.lines) : await startSecondary(scene.hosts.secondary, scene.lines);
    await host.stop();
    return null;
  } catch (error) {
    return codeOfThrown(error);
  }
}

async function judgeStarts(scene: Scene, role: Role): Promise<void> {
  const code = await codeOfStart(scene, role);
  must(code === null, `the host that was made does not start: ${code}`);
  const states = scene.history.statesOf(scene.hosts[role]);
  must(states.includes(0), 'its volumes are not all zeroes');
}
