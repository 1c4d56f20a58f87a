/** `npm start`: install, build, and run the demo; what stands after `--` goes to it. */
import { runNode } from './run-node.mjs';
import { setUp } from './set-up.mjs';

setUp();
runNode('dist/src/cli/run.cjs', ['demo', ...process.argv.slice(2)]);
