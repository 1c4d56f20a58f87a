/** The demo's configs are right ones, and fit together. */
import { readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PeerConfig, SecondaryConfig } from '../../src/cli/config/host-config.ts';
import { loadConfig } from '../../src/cli/config/load-config.ts';
import { makeScene, writePeerConfig, writePrimaryConfig, writeSecondaryConfig, type Scene } from '../../src/demo/scene.ts';

let scene: Scene;
test.before(() => {
  scene = makeScene();
  const status = '127.0.0.1:0';
  writePrimaryConfig(scene, { replication: '127.0.0.1:7001', status });
  writeSecondaryConfig(scene, '127.0.0.1:7001', { peer: '127.0.0.1:7002', status });
  writePeerConfig(scene, { primary: '127.0.0.1:7001', secondary: '127.0.0.1:7002', secondaryPid: 4711 }, { status });
});
test.after(() => rmSync(scene.folder, { recursive: true, force: true }));

test('the peer reaches its secondary, and by its takeover section what the secondary reaches', async () => {
  const primary = await loadConfig(scene.primary.config);
  const secondary = (await loadConfig(scene.secondary.config)) as SecondaryConfig;
  const peer = (await loadConfig(scene.peer.config)) as PeerConfig;
  assert.equal([primary.role, secondary.role, secondary.mode, peer.role], ['primary', 'secondary', 'write-back', 'peer']);
  assert.equal(peer.connect, ['ws://127.0.0.1:7002']);
  assert.equal(peer.takeover?.volumes, secondary.volumes);
  assert.is(peer.takeover?.journals.directory, secondary.journals.directory);
  assert.equal(peer.takeover?.replication, secondary.replication);
  assert.equal(peer.takeover?.nbd.listen, [{ kind: 'unix', path: scene.peer.nbdSocket }]);
  assert.equal(
    scene.peer.volumePaths,
    secondary.volumes.map(({ path }) => path),
  );
});

test('the fence makes sure of the very process that was the secondary', async () => {
  const { takeover } = (await loadConfig(scene.peer.config)) as PeerConfig;
  assert.equal(takeover?.fence?.slice(0, 2), ['sh', '-c']);
  assert.match(takeover?.fence?.[2] ?? '', /^kill -9 4711 .* kill -0 4711 .* exit 1$/);
});

test('the region is in memory or in the folder, under a name of this demo alone', () => {
  assert.match(scene.regionPath, /\/farshore-demo-[^/]+(?:\.nvram|\/peer\.nvram)$/);
  assert.ok(readFileSync(scene.peer.config, 'utf8').includes(scene.regionPath));
  assert.ok(['/dev/shm', scene.folder].includes(dirname(scene.regionPath)));
});

test.run();
