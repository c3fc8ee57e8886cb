// For a bundler: what tfjs-core leaves out of its builds is imported by file.
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import './core.mjs';
