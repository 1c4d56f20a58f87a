import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkConfigText, ConfigError } from '../../../src/cli/config/load-config.ts';
import { volumesOf, type HostConfig, type PeerConfig, type SecondaryConfig } from '../../../src/cli/config/host-config.ts';
import { sampleConfig } from '../../../src/cli/config/sample.ts';

/** As OPERATOR.md prints it: scripts and people depend on it. */
const OPERATORS_SECONDARY = `role: secondary
group: demo
state: ./secondary
volumes: [ { name: db1, vlun: 0, size: 1GiB, path: ./secondary/db1.img } ]
replication: { connect: [ "ws://127.0.0.1:10810" ], links: 2 }      # several addresses = several paths
journals: { path: ./secondary/journals, slots: 16, size: 32MiB }
mode: write-through                 # or write-back, with:
peer: { listen: 127.0.0.1:10820 }   # the peer dials the secondary
nbd: { listen: 127.0.0.1:10819 }
status: { listen: 127.0.0.1:10821 }
`;
const OPERATORS_PEER = `role: peer
group: demo
state: ./peer
nvram: { path: /dev/shm/farshore-demo.nvram, size: 256MiB, hold: memory }    # hold: memory | durable
connect: [ "ws://127.0.0.1:10820" ]
takeover:                           # its own paths to the shared storage, used only after a fence
  volumes: [ { name: db1, vlun: 0, size: 1GiB, path: /shared/db1.img } ]
  journals: { path: /shared/journals }
  replication: { connect: [ "ws://127.0.0.1:10810" ], links: 2 }
  fence: [ /usr/local/sbin/fence-host, secondary1 ]
status: { listen: 127.0.0.1:10822 }
`;

function check(text: string): Promise<HostConfig> {
  return checkConfigText({ path: '/etc/farshore/peer.yaml', text, environment: {} });
}

async function mistakesOf(text: string): Promise<string> {
  try {
    await check(text);
    return 'none';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.mistakes.map(({ line, column, message }) => `${line}:${column}: ${message}`).join('|');
  }
}

test("the operator's peer, word for word", async () => {
  const config = (await check(OPERATORS_PEER)) as PeerConfig;
  assert.equal(config, {
    file: '/etc/farshore/peer.yaml',
    group: 'demo',
    stateDirectory: '/etc/farshore/peer',
    status: { listen: [{ kind: 'tcp', host: '127.0.0.1', port: 10822 }] },
    log: { level: 'info', format: 'json' },
    objectiveMs: 5000,
    insecure: false,
    role: 'peer',
    nvram: { path: '/dev/shm/farshore-demo.nvram', sizeBytes: 256 * 2 ** 20, hold: 'memory' },
    connect: ['ws://127.0.0.1:10820'],
    takeover: {
      volumes: [{ name: 'db1', vlun: 0, sizeBytes: 2 ** 30, path: '/shared/db1.img', store: 'auto' }],
      nbd: { listen: [{ kind: 'unix', path: '/etc/farshore/peer/nbd.sock' }] },
      journals: { directory: '/shared/journals' },
      replication: { connect: ['ws://127.0.0.1:10810'], links: 2 },
      fence: ['/usr/local/sbin/fence-host', 'secondary1'],
    },
  });
  assert.is(volumesOf(config), config.takeover?.volumes);
});

test("the operator's secondary, word for word, and with write-back in place of write-through", async () => {
  const config = (await check(OPERATORS_SECONDARY)) as SecondaryConfig;
  assert.is(config.mode, 'write-through');
  const withPeer = (await check(OPERATORS_SECONDARY.replace('write-through', 'write-back'))) as SecondaryConfig;
  assert.is(withPeer.mode, 'write-back');
  assert.equal(withPeer.peer, { listen: [{ kind: 'tcp', host: '127.0.0.1', port: 10820 }] });
});

test('several addresses where the peer dials, and where it is dialled', async () => {
  const secondary = OPERATORS_SECONDARY.replace('{ listen: 127.0.0.1:10820 }', '{ listen: [ 127.0.0.1:10820, "unix:peer.sock" ] }');
  assert.equal(((await check(secondary)) as SecondaryConfig).peer?.listen, [
    { kind: 'tcp', host: '127.0.0.1', port: 10820 },
    { kind: 'unix', path: '/etc/farshore/peer.sock' },
  ]);
  const peer = OPERATORS_PEER.replace('[ "ws://127.0.0.1:10820" ]', '[ "ws://a:1", "ws+unix:peer.sock" ]');
  assert.equal(((await check(peer)) as PeerConfig).connect, ['ws://a:1', 'ws+unix:/etc/farshore/peer.sock']);
});

test('a peer that never takes over, and one whose fence is found in PATH or beside the config', async () => {
  const config = (await check(OPERATORS_PEER.replace(/takeover:[^]*(?=status:)/, ''))) as PeerConfig;
  assert.is(config.takeover, null);
  assert.equal(volumesOf(config), []);
  const fenceOf = async (fence: string): Promise<unknown> =>
    ((await check(OPERATORS_PEER.replace(/ {2}fence: .*\n/, fence))) as PeerConfig).takeover?.fence;
  assert.is(await fenceOf(''), null);
  assert.equal(await fenceOf('  fence: [ virsh, destroy, "a b" ]\n'), ['virsh', 'destroy', 'a b']);
  assert.equal(await fenceOf('  fence: [ ./fence.sh, -v ]\n'), ['/etc/farshore/fence.sh', '-v']);
});

test('the samples work together: each dials where the other listens', async () => {
  const [secondary, peer] = await Promise.all([
    check(sampleConfig('secondary').replace('mode: write-through', 'mode: write-back')) as Promise<SecondaryConfig>,
    check(sampleConfig('peer')) as Promise<PeerConfig>,
  ]);
  assert.equal(peer.connect, ['ws://127.0.0.1:10820']);
  assert.equal(secondary.peer?.listen, [{ kind: 'tcp', host: '127.0.0.1', port: 10820 }]);
  assert.equal(peer.takeover?.volumes, secondary.volumes);
  assert.is(peer.takeover?.journals.directory, secondary.journals.directory);
  assert.equal(peer.takeover?.replication, secondary.replication);
});

/** [what is changed, by what, what must be said]. */
const MISTAKES: readonly (readonly [string, string, string | RegExp])[] = [
  ['size: 256MiB', 'size: 1MiB', '4:52: the NVRAM size is 1.0 MiB: the smallest is 4.0 MiB'],
  ['size: 256MiB', 'size: 65GiB', '4:52: the NVRAM size is 65.0 GiB: the largest is 64.0 GiB'],
  ['size: 256MiB', 'size: 5000001', '4:52: the NVRAM size is 5000001 bytes: it must be a multiple of 4096 bytes'],
  ['hold: memory', 'hold: memry', '4:66: "nvram.hold" is "memry": expected memory, durable; did you mean "memory"?'],
  ['path: /dev/shm/farshore-demo.nvram, ', '', '4:8: missing key "nvram.path"'],
  ['nvram: {', 'nvram: { sise: 1,', '4:10: unknown key "sise" in "nvram": did you mean "size"?'],
  ['connect: [ "ws://127.0.0.1:10820" ]\n', '', '1:1: missing key "connect"'],
  ['"ws://127.0.0.1:10820"', 'http://x', /^5:12: "http:\/\/x" is not the address of a host/],
  [
    'journals: { path: /shared/journals }',
    'journals: { path: /shared/journals, slots: 4 }',
    /^8:39: unknown key "slots" in "takeover\.journals"/,
  ],
  ['  journals: { path: /shared/journals }\n', '', '7:3: missing key "takeover.journals"'],
  ['fence: [ /usr/local/sbin/fence-host, secondary1 ]', 'fence: [ ipmitool, 10 ]', '10:22: "takeover.fence.1" is 10: expected text'],
  [
    'fence: [ /usr/local/sbin/fence-host, secondary1 ]',
    'fence: fence-host secondary1',
    /^10:10: "takeover\.fence" is "fence-host secondary1": expected a list$/,
  ],
  ['fence: [ /usr/local/sbin/fence-host, secondary1 ]', 'fence: []', '10:10: "takeover.fence" is empty'],
  ['fence: [', 'nbd: { listen: 0.0.0.0:1 }\n  fence: [', /^10:18: 0\.0\.0\.0:1 can be reached from other machines/],
  ['fence: [', 'nbd: { listen: 127.0.0.1:10822 }\n  fence: [', '10:18: 127.0.0.1:10822 is used twice: "status.listen" listens there too'],
  ['127.0.0.1:10822', '192.168.0.1:80', /^11:19: 192\.168\.0\.1:80 can be reached from other machines/],
  ['} ]', '}, { name: db1, vlun: 1, size: 1MiB, path: /x } ]', '7:81: name "db1" is used twice: volume 1 of the list has it too'],
  [
    '/dev/shm/farshore-demo.nvram',
    '/shared/db1.img',
    '4:16: /shared/db1.img is a volume of "takeover": the region needs a file of its own',
  ],
  ['/dev/shm/farshore-demo.nvram', '/shared/journals/region', /the folder of the journals of "takeover"/],
  ['state:', 'mode: write-back\nstate:', '3:1: unknown key "mode": it belongs to a secondary, and this is a peer'],
];

for (const [what, by, expected] of MISTAKES) {
  test(`peer, "${what.trim()}" -> "${by.trim().slice(0, 50)}"`, async () => {
    assert.ok(OPERATORS_PEER.includes(what), 'the case changes something');
    const found = await mistakesOf(OPERATORS_PEER.replace(what, by));
    if (typeof expected === 'string') assert.is(found, expected);
    else assert.match(found, expected);
  });
}

test.run();
