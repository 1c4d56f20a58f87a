import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkConfigText, ConfigError, loadConfig, type LoadConfigOptions } from '../../../src/cli/config/load-config.ts';
import type { HostConfig, PrimaryConfig, SecondaryConfig } from '../../../src/cli/config/host-config.ts';
import { sampleConfig } from '../../../src/cli/config/sample.ts';
import { UsageError } from '../../../src/model/errors.ts';

const PRIMARY = `role: primary
group: demo
state: ./primary
volumes:
  - { name: db1, vlun: 0, size: 1GiB, path: db1.img }
nbd: { listen: 127.0.0.1:10809 }
replication: { listen: 127.0.0.1:10810 }
`;
const SECONDARY = `role: secondary
group: demo
state: ./secondary
volumes:
  - { name: db1, vlun: 0, size: 1GiB, path: db1.img }
nbd: { listen: 127.0.0.1:10819 }
replication: { connect: "ws://127.0.0.1:10810" }
journals: { path: ./journals }
`;

function check(text: string, options: LoadConfigOptions = {}): Promise<HostConfig> {
  return checkConfigText({ path: '/etc/farshore/host.yaml', text, environment: {}, ...options });
}

/** Line:column: message of every mistake. */
async function mistakesOf(text: string, options: LoadConfigOptions = {}): Promise<string[]> {
  try {
    await check(text, options);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    assert.is(error.exitCode, 2);
    return error.mistakes.map((mistake) => `${mistake.line}:${mistake.column}: ${mistake.message}`);
  }
}

async function codeOf(text: string, options: LoadConfigOptions = {}): Promise<string> {
  try {
    await check(text, options);
    return 'none';
  } catch (error) {
    assert.instance(error, UsageError);
    return (error as UsageError).code;
  }
}

test('a primary: units are parsed, defaults filled in, paths meant from the file', async () => {
  const config = (await check(PRIMARY)) as PrimaryConfig;
  assert.equal(config, {
    file: '/etc/farshore/host.yaml',
    group: 'demo',
    stateDirectory: '/etc/farshore/primary',
    volumes: [{ name: 'db1', vlun: 0, sizeBytes: 2 ** 30, path: '/etc/farshore/db1.img', store: 'auto' }],
    nbd: { listen: [{ kind: 'tcp', host: '127.0.0.1', port: 10809 }] },
    status: { listen: [] },
    log: { level: 'info', format: 'json' },
    objectiveMs: 5000,
    insecure: false,
    role: 'primary',
    replication: { listen: [{ kind: 'tcp', host: '127.0.0.1', port: 10810 }], flush: 'local' },
    dataSets: { minAgeMs: 10, maxAgeMs: 100, maxBytes: 31 * 2 ** 20 },
    backlog: { limitBytes: 256 * 2 ** 20, policy: 'throttle' },
  });
});

test('a secondary: defaults are write-through, one link, 16 slots of 32 MiB', async () => {
  const config = (await check(SECONDARY)) as SecondaryConfig;
  assert.is(config.mode, 'write-through');
  assert.equal(config.replication, { connect: ['ws://127.0.0.1:10810'], links: 1 });
  assert.equal(config.journals, { directory: '/etc/farshore/journals', slots: 16, slotBytes: 32 * 2 ** 20 });
});

test('the samples are right', async () => {
  assert.equal(await mistakesOf(sampleConfig('primary')), []);
  assert.equal(await mistakesOf(sampleConfig('secondary')), []);
  assert.equal(await mistakesOf(sampleConfig('peer')), []);
});

test('addresses: lists, IPv6, Unix sockets', async () => {
  const text = PRIMARY.replace(
    '{ listen: 127.0.0.1:10809 }',
    '{ listen: [ "[::1]:10809", localhost:1, "unix:run/nbd.sock", 127.9.9.9:0 ] }',
  );
  assert.equal(((await check(text)) as PrimaryConfig).nbd.listen, [
    { kind: 'tcp', host: '::1', port: 10809 },
    { kind: 'tcp', host: 'localhost', port: 1 },
    { kind: 'unix', path: '/etc/farshore/run/nbd.sock' },
    { kind: 'tcp', host: '127.9.9.9', port: 0 },
  ]);
  const far = SECONDARY.replace('"ws://127.0.0.1:10810"', '[ "ws://far.example:1/", "ws://[::1]:2", "ws+unix:link.sock" ]');
  assert.equal(((await check(far)) as SecondaryConfig).replication.connect, [
    'ws://far.example:1',
    'ws://[::1]:2',
    'ws+unix:/etc/farshore/link.sock',
  ]);
});

/** [what is changed, by what, what must be said]. */
const PRIMARY_MISTAKES: readonly (readonly [string, string, string | RegExp])[] = [
  ['role: primary', 'role: primry', '1:7: "role" is "primry": expected primary, secondary or peer; did you mean "primary"?'],
  ['role: primary\n', '', '1:1: missing key "role": expected primary, secondary or peer'],
  [
    'role: primary',
    'role: peer',
    /^1:1: missing key "nvram"\|1:1: missing key "connect"\|4:1: unknown key "volumes": it belongs to a primary or a secondary, and this is a peer\|/,
  ],
  ['group: demo', 'gruop: demo', /^1:1: missing key "group"\|2:1: unknown key "gruop": did you mean "group"\?$/],
  ['group: demo', 'group:', '2:1: "group" has no value'],
  ['group: demo', 'group: 7', '2:8: "group" is 7: expected text'],
  ['group: demo', 'group: a b', /^2:8: the group "a b" is not a name: expected letters/],
  ['vlun: 0', 'vlun: -1', '5:24: the VLUN number is -1: expected a whole number from 0 to 4294967294'],
  ['vlun: 0', 'vlun: one', '5:24: "volumes.0.vlun" is "one": expected a number'],
  ['vlun: 0, ', '', '5:5: missing key "volumes.0.vlun"'],
  ['size: 1GiB', 'size: 1Gb', /^5:33: "1Gb" is not a size: expected whole bytes as a number with B, KiB/],
  ['size: 1GiB', 'size: 5000', '5:33: the volume size is 5000 bytes: it must be a multiple of 4096 bytes'],
  ['size: 1GiB', 'size: 0', '5:33: the volume size is 0 B: the smallest is 4.0 KiB'],
  ['size: 1GiB', 'size: {}', '5:33: "volumes.0.size" is a map: expected text or a number'],
  ['path: db1.img', 'path: db1.img, stroe: mmap', '5:54: unknown key "stroe" in "volumes.0": did you mean "store"?'],
  ['path: db1.img', 'path: db1.img, store: mmpa', '5:61: "volumes.0.store" is "mmpa": expected auto, pwrite, mmap; did you mean "mmap"?'],
  ['  - { name: db1, vlun: 0, size: 1GiB, path: db1.img }', '  []', '5:3: "volumes" is empty'],
  ['127.0.0.1:10809', '10809', '6:16: "nbd.listen.0" is 10809: expected text'],
  ['127.0.0.1:10809', '127.0.0.1', '6:16: "127.0.0.1" is not an address: expected host:port, [ipv6]:port or unix:/path'],
  ['127.0.0.1:10809', '127.0.0.1:99999', '6:16: "127.0.0.1:99999" has port 99999: the largest is 65535'],
  ['127.0.0.1:10809', '127.0.0.300:1', '6:16: "127.0.0.300:1" has no valid IPv4 address'],
  ['127.0.0.1:10809', '"[::zz]:1"', '6:16: "[::zz]:1" has no IPv6 address between its brackets'],
  ['127.0.0.1:10809', `unix:/${'x'.repeat(120)}`, /^6:16: the socket path .* has 121 bytes: the system allows 107$/],
  ['127.0.0.1:10809', '0.0.0.0:10809', /^6:16: 0\.0\.0\.0:10809 can be reached from other machines/],
  ['127.0.0.1:10810', '"[::]:10810"', /^7:24: \[::\]:10810 can be reached from other machines/],
  ['127.0.0.1:10810', 'host.example:10810', /^7:24: host\.example:10810 can be reached from other machines/],
  ['127.0.0.1:10810', '127.0.0.1:10809', '7:24: 127.0.0.1:10809 is used twice: "nbd.listen" listens there too'],
  ['replication: { listen: 127.0.0.1:10810 }\n', '', /^1:1: missing key "replication\.listen"/],
  ['replication: {', 'replication: { flush: far,', '7:23: "replication.flush" is "far": expected local, remote'],
  [
    'replication: {',
    'replication: { connect: "ws://h:1",',
    '7:16: unknown key "connect" in "replication": it belongs to a secondary, and this is a primary',
  ],
  ['state:', 'journals: { path: x }\nstate:', '3:1: unknown key "journals": it belongs to a secondary, and this is a primary'],
  ['state:', 'dataSets: { minAge: 2s, maxAge: 1s }\nstate:', '3:21: minAge is 2000ms and maxAge 1000ms: minAge must not be the longer one'],
  ['state:', 'dataSets: { minAge: 10 }\nstate:', '3:21: "10" is not a duration: expected a number with ms, s, m, h or d'],
  ['state:', 'dataSets: { maxSize: 2GiB }\nstate:', /^1:1: the backlog limit .*\|3:22: maxSize is 2\.0 GiB: the largest is 1\.0 GiB$/],
  ['state:', 'backlog: { limit: 1MiB }\nstate:', /^3:19: the backlog limit is 1048576 bytes and maxSize 32505856 bytes/],
  ['state:', 'backlog: { policy: spill }\nstate:', '3:20: policy spill is not available in this version: use throttle'],
  ['state:', 'objective: 0ms\nstate:', '3:12: the objective is 0ms: the smallest is 1ms'],
  ['state:', 'log: { level: infos }\nstate:', '3:15: "log.level" is "infos": expected error, warn, info, debug; did you mean "info"?'],
  ['state:', 'log:\nstate:', '3:1: "log" has no value'],
  ['state:', 'insecure: yes\nstate:', '3:11: "insecure" is "yes": expected true or false'],
  ['state:', 'group: again\nstate:', /^3:1: Map keys must be unique/],
  ['state: ./primary', 'state: [', /^\d+:\d+: /],
];

for (const [what, by, expected] of PRIMARY_MISTAKES) {
  test(`primary, "${what.trim()}" -> "${by.trim().slice(0, 50)}"`, async () => {
    assert.ok(PRIMARY.includes(what), 'the case changes something');
    const found = (await mistakesOf(PRIMARY.replace(what, by))).join('|');
    if (typeof expected === 'string') assert.is(found, expected);
    else assert.match(found, expected);
  });
}

const SECONDARY_MISTAKES: readonly (readonly [string, string, string | RegExp])[] = [
  ['journals: { path: ./journals }\n', '', '1:1: missing key "journals"'],
  ['path: ./journals', 'path: ./journals, slots: 1', '8:38: the number of slots is 1: expected a whole number from 2 to 256'],
  ['path: ./journals', 'path: ./journals, slots: 257', /from 2 to 256$/],
  ['path: ./journals', 'path: ./journals, slots: 2.5', /from 2 to 256$/],
  ['path: ./journals', 'path: ./journals, size: 4KiB', '8:37: the slot size is 4.0 KiB: the smallest is 64.0 KiB'],
  ['path: ./journals', 'path: ./journals, size: 2GiB', '8:37: the slot size is 2.0 GiB: the largest is 1.0 GiB'],
  ['path: ./journals', 'path: ./journals, size: 70000', /must be a multiple of 4096 bytes$/],
  ['connect:', 'links: 17, connect:', '7:23: the number of links is 17: expected a whole number from 1 to 16'],
  ['connect:', 'links: 0, connect:', /from 1 to 16$/],
  [
    'connect:',
    'conect:',
    /^7:14: missing key "replication\.connect"\|7:16: unknown key "conect" in "replication": did you mean "connect"\?$/,
  ],
  ['ws://127.0.0.1:10810', 'http://127.0.0.1:10810', /is not the address of a host: expected ws:\/\/host:port/],
  ['ws://127.0.0.1:10810', 'ws://127.0.0.1', /is not the address of a host/],
  ['ws://127.0.0.1:10810', 'ws://127.0.0.1:99999', /is not the address of a host/],
  ['ws://127.0.0.1:10810', 'ws://127.0.0.1:0', /has port 0, on which nobody can listen$/],
  ['ws://127.0.0.1:10810', 'wss://127.0.0.1:1', /TLS between the hosts is not available in this version/],
  ['"ws://127.0.0.1:10810"', '[]', '7:25: "replication.connect" is empty'],
  ['group:', 'mode: write-back\ngroup:', '2:7: missing key "peer.listen": the peer dials the secondary there, and write-back needs it'],
  ['group:', 'mode: write-thru\ngroup:', /did you mean "write-through"\?$/],
  ['group:', 'peer: { listen: 0.0.0.0:1 }\ngroup:', /^2:17: 0\.0\.0\.0:1 can be reached from other machines/],
  ['group:', 'peer: { listen: 127.0.0.1:10819 }\ngroup:', '2:17: 127.0.0.1:10819 is used twice: "nbd.listen" listens there too'],
  [
    'group:',
    'peer: { lisen: 127.0.0.1:1 }\ngroup:',
    /^2:7: missing key "peer\.listen"\|2:9: unknown key "lisen" in "peer": did you mean "listen"\?$/,
  ],
  ['group:', 'nvram: { path: x }\ngroup:', '2:1: unknown key "nvram": it belongs to a peer, and this is a secondary'],
  ['group:', 'backlog: {}\ngroup:', '2:1: unknown key "backlog": it belongs to a primary, and this is a secondary'],
];

for (const [what, by, expected] of SECONDARY_MISTAKES) {
  test(`secondary, "${what.trim()}" -> "${by.trim().slice(0, 50)}"`, async () => {
    assert.ok(SECONDARY.includes(what), 'the case changes something');
    const found = (await mistakesOf(SECONDARY.replace(what, by))).join('|');
    if (typeof expected === 'string') assert.is(found, expected);
    else assert.match(found, expected);
  });
}

test('volumes: a name, a VLUN number or a path used twice', async () => {
  const two = PRIMARY.replace('db1.img }', 'db1.img }\n  - { name: db1, vlun: 0, size: 1MiB, path: ./x/../db1.img }');
  assert.equal(await mistakesOf(two), [
    '6:13: name "db1" is used twice: volume 1 of the list has it too',
    '6:24: vlun 0 is used twice: volume 1 of the list has it too',
    '6:45: path "./x/../db1.img" is used twice: volume 1 of the list has it too',
  ]);
});

test('all mistakes are listed, in the order of the file', async () => {
  const text = PRIMARY.replace('demo', 'a/b')
    .replace('vlun: 0', 'vlun: x')
    .replace('127.0.0.1:10809', '0.0.0.0:1')
    .replace('listen: 127.0.0.1:10810', 'lisen: x');
  const lines = (await mistakesOf(text)).map((mistake) => Number(mistake.split(':')[0]));
  assert.equal(lines, [2, 5, 6, 7, 7]);
});

test('an empty file, a list, text', async () => {
  assert.equal(await mistakesOf(''), ['1:1: the file is empty']);
  assert.equal(await mistakesOf('- a'), ['1:1: expected a map of keys and values']);
  assert.equal(await mistakesOf('role'), ['1:1: expected a map of keys and values']);
});

test('aliases: one without its anchor, and those that multiply', async () => {
  assert.match((await mistakesOf(PRIMARY.replace('demo', '*nothing'))).join(), /^\d+:\d+: .*nothing/i);
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
  for (let level = 1; level < 9; level++)
    bomb.push(
      `b${level}: &b${level} [${Array(9)
        .fill(level === 1 ? '*a' : `*b${level - 1}`)
        .join()}]`,
    );
  assert.match((await mistakesOf(bomb.join('\n'))).join(), /alias/i);
});

test('codes: exposed and not available have their own', async () => {
  assert.is(await codeOf(PRIMARY.replace('127.0.0.1:10809', '0.0.0.0:1')), 'ERR_LISTEN_EXPOSED');
  assert.is(await codeOf(`${PRIMARY}backlog: { policy: track }\n`), 'ERR_NOT_AVAILABLE');
  assert.is(await codeOf(PRIMARY.replace('group', 'gruppe')), 'ERR_CONFIG_INVALID');
  assert.is(await codeOf(`${PRIMARY.replace('127.0.0.1:10809', '0.0.0.0:1')}insecure: true\n`), 'none');
});

test('a status page listening beyond loopback is refused too', async () => {
  assert.is(await codeOf(`${SECONDARY}status: { listen: "192.168.0.1:80" }\n`), 'ERR_LISTEN_EXPOSED');
});

test('a primary without replication.listen loads only for --standalone', async () => {
  const text = PRIMARY.replace('replication: { listen: 127.0.0.1:10810 }\n', '');
  assert.is(await codeOf(text), 'ERR_CONFIG_INVALID');
  assert.is(await codeOf(text, { standalone: true }), 'none');
});

test('log level: the flag beats FARSHORE_LOG_LEVEL, which beats the file', async () => {
  const environment = { FARSHORE_LOG_LEVEL: 'warn' };
  assert.is((await check(PRIMARY)).log.level, 'info');
  assert.is((await check(PRIMARY, { environment })).log.level, 'warn');
  assert.is((await check(PRIMARY, { environment, logLevel: 'debug' })).log.level, 'debug');
  assert.is(await codeOf(PRIMARY, { environment: { FARSHORE_LOG_LEVEL: 'wran' } }), 'ERR_ENVIRONMENT');
});

test('a file on disk; one that is not there; a folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-config-'));
  try {
    const file = join(folder, 'primary.yaml');
    writeFileSync(file, PRIMARY);
    assert.is((await loadConfig(file, { environment: {} })).stateDirectory, join(folder, 'primary'));
    for (const path of [join(folder, 'none.yaml'), folder]) {
      try {
        await loadConfig(path);
        assert.unreachable();
      } catch (error) {
        assert.is((error as UsageError).code, 'ERR_CONFIG_UNREADABLE');
        assert.is((error as UsageError).exitCode, 2);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the message is one file:line:column line per mistake', async () => {
  try {
    await check(PRIMARY.replace('group: demo', 'gruop: demo'));
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message.split('\n').length, 2);
    assert.match((error as Error).message, /^\/etc\/farshore\/host\.yaml:2:1: unknown key "gruop": did you mean "group"\?$/m);
  }
});

test.run();
