/** The house's rules that a machine can hold (HOUSE: tree, names, direction of imports, purity). Each returns its violations as lines. */
import { basename } from 'node:path';
import { importsOf, lineAt, type SourceFile } from './source-text.ts';

const FILE_LINES_MAX = 400;

const LOWEST = ['model', 'record', 'protocol', 'disk', 'runtime'];
const SERVICES = [...LOWEST, 'state', 'journals', 'nbd', 'volume', 'link', 'application', 'status'];

/** What each folder may import, beside itself: `model <- record, protocol, disk <- journals, nbd ... <- primary, secondary <- cli <- commands`. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  model: [],
  record: ['model'],
  protocol: ['model', 'record'],
  disk: ['model'],
  /** What servers and handlers of this process share: listening, and the end of a broken invariant. */
  runtime: ['model'],
  state: ['model', 'disk'],
  journals: LOWEST,
  nbd: LOWEST,
  volume: LOWEST,
  link: LOWEST,
  status: LOWEST,
  /** The application's side of both shells: NBD requests on volumes, in one order. */
  application: [...LOWEST, 'state', 'nbd', 'volume'],
  // Never each other.
  primary: SERVICES,
  secondary: SERVICES,
  peer: SERVICES,
  /** A peer becomes a secondary: the only place that knows both. */
  takeover: [...SERVICES, 'secondary', 'peer'],
  /** What `farshore journal` reads, on the files alone: it may plan a recovery, and never runs a host. */
  inspection: [...SERVICES, 'secondary', 'peer'],
  cli: [...SERVICES, 'primary', 'secondary', 'peer', 'takeover', 'inspection'],
  /** It calls Farshore as an operator would, and never reaches into a host. */
  demo: ['model', 'state', 'nbd', 'cli'],
  /** Crash-replay fixtures: made from real processes, replayed by production code. */
  'crash-replay': [...SERVICES, 'primary', 'secondary', 'peer', 'takeover', 'inspection', 'cli', 'demo'],
  /** Both hosts in one thread, and judges that look into them. */
  simulation: [...SERVICES, 'primary', 'secondary', 'peer', 'takeover'],
  commands: [...SERVICES, 'primary', 'secondary', 'peer', 'takeover', 'inspection', 'cli', 'demo', 'crash-replay', 'simulation'],
  /** It runs hosts as an operator would, and our own layers alone. */
  bench: [...SERVICES, 'primary', 'secondary', 'peer', 'takeover', 'inspection', 'cli'],
};

/** Node's modules that pure code may use: functions of their input. */
const PURE_MODULES: Readonly<Record<string, readonly string[]>> = {
  model: [],
  protocol: [],
  record: ['node:zlib', 'node:crypto', 'node:module'],
};
const IMPURE =
  /\b(?:Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|performance\s*\.|process\s*\.|console\s*\.|random(?:Bytes|UUID|Int|FillSync)|getRandomValues|globalThis)/g;

/** The folder of HOUSE's tree that a file belongs to. */
export function folderOf(path: string): string {
  const parts = path.split('/');
  return (parts[0] === 'src' ? parts[1] : parts[0]) ?? '';
}

export function importDirection(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const from = folderOf(file.path);
    const allowed = MAY_IMPORT[from];
    if (allowed === undefined) return [`${file.path}: the folder "${from}" has no row in MAY_IMPORT`];
    return importsOf(file)
      .filter(({ target }) => /^(?:src|commands|journals|test|bench)\//.test(target))
      .filter(({ target }) => folderOf(target) !== from && !allowed.includes(folderOf(target)))
      .map(({ target, line }) => `${file.path}:${line}: ${from} must not import ${target}`);
  });
}

/** Cycles of what is loaded: `import type` is gone when the code runs, so a part may name its whole's type. */
export function importCycles(files: readonly SourceFile[]): string[] {
  const loaded = (file: SourceFile): string[] =>
    importsOf(file)
      .filter(({ names }) => !/^\s*type\s+[\w{*]/.test(names))
      .map(({ target }) => target);
  const edges = new Map(files.map((file) => [file.path, loaded(file)]));
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt !== -1) cycles.push(`cycle: ${[...trail.slice(seenAt), path].join(' -> ')}`);
    else if (!finished.has(path)) {
      for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
      finished.add(path);
    }
  };
  for (const path of edges.keys()) visit(path, []);
  return cycles;
}

export function purity(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const pureModules = PURE_MODULES[folderOf(file.path)];
    if (pureModules === undefined) return [];
    const calls = [...file.code.matchAll(IMPURE)].map(
      (match) => `${file.path}:${lineAt(file.code, match.index)}: pure code must not use ${match[0].trim()}`,
    );
    const imports = importsOf(file)
      .filter(({ target }) => !/^(?:src|journals)\//.test(target) && !pureModules.includes(target))
      .map(({ target, line }) => `${file.path}:${line}: pure code must not import ${target}`);
    return [...calls, ...imports];
  });
}

export function fileLength(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const lines = file.text.trimEnd().split('\n').length;
    return lines > FILE_LINES_MAX ? [`${file.path}: ${lines} lines, at most ${FILE_LINES_MAX}`] : [];
  });
}

/** Kebab-case names, no enum, no any, no default export but commands', no notes to oneself. */
export function style(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const found: string[] = [];
    const search = (text: string, pattern: RegExp, what: string): void => {
      for (const match of text.matchAll(pattern)) found.push(`${file.path}:${lineAt(text, match.index)}: ${what}`);
    };
    if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|case))?\.c?ts$/.test(basename(file.path)))
      found.push(`${file.path}: the name is not kebab-case`);
    search(file.code, /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s+\w/gm, 'no enum: use a union or a const object');
    search(file.code, /(?:[:<|&,]|\bas|=>)\s*any\b(?!\s*[(.=:])/g, 'no any');
    // Written so that the pattern does not find itself.
    search(file.text, /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/g, 'no notes to oneself: do it or write an issue');
    if (folderOf(file.path) !== 'commands')
      search(file.code, /^\s*export\s+default\b|\bas\s+default\b/gm, 'no default export but in commands');
    return found;
  });
}

/** oclif loads everything in commands/ as a command. */
export function onlyCommands(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => folderOf(file.path) === 'commands')
    .flatMap((file) => {
      const found = /^export default class \w+ extends \w*Command\b/m.test(file.code)
        ? []
        : [`${file.path}: no command class as its default export`];
      const others = [...file.code.matchAll(/^export (?!default\b|interface\b|type\b).*/gm)];
      return [...found, ...others.map((match) => `${file.path}:${lineAt(file.code, match.index)}: exports a value beside its command`)];
    });
}

/** Codes that stand in strings of the sources; those of Node itself are not ours. */
export function errorCodes(files: readonly SourceFile[], nodeCodes: ReadonlySet<string>): Map<string, string> {
  const codes = new Map<string, string>();
  for (const file of files) {
    for (const match of file.withoutComments.matchAll(/['"`](ERR_[A-Z0-9_]+)['"`]/g)) {
      const code = match[1] ?? '';
      if (!nodeCodes.has(code) && !codes.has(code)) codes.set(code, `${file.path}:${lineAt(file.text, match.index)}`);
    }
  }
  return codes;
}

/** Both ways: every code of the sources has a row in docs/errors.md, and every row has a code. */
export function undocumentedCodes(codes: ReadonlyMap<string, string>, errorsPage: string): string[] {
  const rows = [...errorsPage.matchAll(/^\|\s*`(ERR_[A-Z0-9_]+)`\s*\|/gm)].map((match) => match[1] ?? '');
  const missing = [...codes]
    .filter(([code]) => !rows.includes(code))
    .map(([code, place]) => `${place}: ${code} has no row in docs/errors.md`);
  const stale = rows.filter((code) => !codes.has(code)).map((code) => `docs/errors.md: ${code} is used nowhere`);
  const twice = rows.filter((code, index) => rows.indexOf(code) !== index).map((code) => `docs/errors.md: ${code} has two rows`);
  return [...missing, ...stale, ...twice];
}

/** Every invariant of DESIGN section 3 is named by a test: `I4` or `@invariant I4`. */
export function untestedInvariants(tests: readonly SourceFile[]): string[] {
  return Array.from({ length: 12 }, (_, index) => `I${index + 1}`)
    .filter((name) => !tests.some((file) => new RegExp(`\\b${name}\\b`).test(file.text)))
    .map((name) => `${name} is named in no test`);
}
