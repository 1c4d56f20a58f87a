/** Copies of whole hosts, as a careless restore or a cloned machine makes them, and proof that images did not change. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Host } from './host-process.ts';

/** Copy a stopped host's folder, volumes and journals included, and return the host that uses the copy. */
export function copyHost(host: Host, name: string): Host {
  execFileSync('cp', ['-a', host.stateDirectory, join(host.folder, name)]);
  return hostBeside(host, name);
}

/** A host with the same config whose files lie in another folder. */
export function hostBeside(host: Host, name: string): Host {
  const { config, folder } = host;
  const moved = (path: string): string => path.replace(new RegExp(`^${config.state}/`), `${name}/`);
  const copy = structuredClone(config);
  copy.state = name;
  copy.nbd.listen = `unix:${name}.sock`;
  copy.volumes = copy.volumes.map((volume) => ({ ...volume, path: moved(volume.path) }));
  if (copy.journals !== undefined) copy.journals.path = moved(copy.journals.path);
  return new Host({ name, folder, config: copy });
}

/** SHA-256 of every image of these hosts, as one text. */
export function imagesOf(...hosts: readonly Host[]): string {
  return hosts
    .flatMap((host) =>
      host.config.volumes.map(
        ({ name }) =>
          `${host.name}/${name} ${createHash('sha256')
            .update(readFileSync(host.volumePath(name)))
            .digest('hex')}`,
      ),
    )
    .join('\n');
}
