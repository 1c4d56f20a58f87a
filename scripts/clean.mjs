/** `npm run clean`: remove what a build made. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './set-up.mjs';

rmSync(join(root, 'dist'), { recursive: true, force: true });
