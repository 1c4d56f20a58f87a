/** `node scripts/run.mjs PROGRAM [ARGUMENTS]`: install, build, and run a compiled program; what stands after `--` of an npm script goes to it. */
import { runNode } from './run-node.mjs';
import { setUp } from './set-up.mjs';

const [program, ...args] = process.argv.slice(2);
setUp();
runNode(program, args);
