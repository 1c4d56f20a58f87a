/**
 * What a fresh clone needs before anything runs, with Node and npm alone: `npm ci` when node_modules is missing or older than
 * package-lock.json, and a build when dist is missing or older than a source. Quiet when all goes well.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCES = ['src', 'commands', 'journals', 'test', 'bench', 'tsconfig.json', 'package-lock.json'];
const STAMP = join(root, 'dist', '.built');
const NODE_MINIMUM = [20, 15];

/** Install and build what is missing or stale. */
export function setUp() {
  checkNode();
  install();
  if (!existsSync(STAMP) || newestMs(SOURCES.map((name) => join(root, name))) >= modifiedMs(STAMP)) build();
}

/** Install the exact packages of package-lock.json if they are not there. */
export function install() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && modifiedMs(installed) >= modifiedMs(join(root, 'package-lock.json'))) return;
  process.stderr.write('installing packages (npm ci) ...\n');
  const npm = process.env.npm_execpath;
  const [program, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  run(program, [...first, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], { quiet: true });
}

/** Compile everything into a new dist, and check that the pure core compiles without Node's types. */
export function build() {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  // Taken before the compiler reads, so that a file saved while it runs makes the next build start again.
  const started = new Date();
  typescript(['-p', '.']);
  typescript(['-p', 'src/protocol']);
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, '');
  utimesSync(STAMP, started, started);
}

/** Run a tool of node_modules and end this process with its exit code if it fails. */
export function tool(packageName, script, args) {
  run(process.execPath, [join(root, 'node_modules', packageName, script), ...args], {});
}

/** Run a program and end this process with its exit code if it fails; `quiet` shows its output only then. */
export function run(program, args, { quiet = false, environment = process.env }) {
  const result = spawnSync(program, args, { cwd: root, stdio: quiet ? 'pipe' : 'inherit', encoding: 'utf8', env: environment });
  if (result.error) {
    process.stderr.write(`${program} could not be started: ${result.error.message}\n`);
    process.exit(1);
  }
  if (result.status !== 0) {
    if (quiet) process.stderr.write(`${result.stdout}${result.stderr}`);
    process.stderr.write(`failed: ${[program, ...args].join(' ')}\n`);
    process.exit(result.status ?? 1);
  }
}

function typescript(args) {
  tool('typescript', 'bin/tsc', args);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor >= NODE_MINIMUM[1])) return;
  process.stderr.write(`Farshore needs Node ${NODE_MINIMUM.join('.')} or newer; this is ${process.versions.node}.\n`);
  process.exit(1);
}

function modifiedMs(path) {
  return statSync(path).mtimeMs;
}

/** Newest change below the paths; folders count too, because a deleted file changes only its folder. */
function newestMs(paths) {
  let newest = 0;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const entry = statSync(path);
    newest = Math.max(newest, entry.mtimeMs);
    if (entry.isDirectory()) newest = Math.max(newest, newestMs(readdirSync(path).map((name) => join(path, name))));
  }
  return newest;
}
