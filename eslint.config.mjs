import tseslint from 'typescript-eslint';

const union = {name: '@tensorflow/tfjs', message: 'Import @tensorflow/tfjs-core or tfjs-layers: the union is the user\'s.'};

/** The folders of src/, from the top. A file imports from its own folder and from those below: CONTRIBUTING.md says what is in each. */
export const rooms = ['api', 'step', 'systems', 'jacobian', 'loss', 'derivatives', 'trace', 'tfjs', 'policy', 'solve', 'arrays', 'kernels'];

/** Folders of plain numbers and typed arrays, which are tested without tfjs. */
const withoutTfjs = ['policy', 'solve', 'arrays', 'kernels'];

/** The folders inside of a room, from the top. '.' are the files that lie in the room itself. */
export const insides = {
  step: ['.', 'ways_back', 'judge', 'average', 'bayesian', 'model', 'data'],
  jacobian: ['.', 'check', 'whole', 'sweep', 'uses', 'plan'],
  loss: ['.', 'read', 'functions'],
  derivatives: ['tangents', '.', 'rules', 'kernels'],
  kernels: ['.', 'assembly'],
};

const restricted = (files, patterns) => ({files, rules: {'no-restricted-imports': ['error', {paths: [union], patterns}]}});

function onlyDownwards(room, i) {
  const above = rooms.slice(0, i);
  const patterns = [
    {regex: '/index$', message: 'src/index.ts is the public face: import from the file itself.'},
    {regex: `^(\\.\\./)+${room}/`, message: `Import a file of ${room}/ by its shortest path.`},
  ];
  if (above.length > 0) {
    patterns.push({regex: `^(\\.\\./)+(${above.join('|')})/`, message: `${room}/ lies below ${above.join(', ')}: imports point downwards only.`});
  }
  if (withoutTfjs.includes(room)) {
    patterns.push({group: ['@tensorflow/*'], message: `${room}/ knows nothing of tfjs.`});
  }
  return [restricted([`src/${room}/**/*.ts`], patterns), ...onlyDownwardsInside(room, patterns)];
}

/** The same inside of a room. The patterns of the room hold there, too. */
function onlyDownwardsInside(room, patterns) {
  const folders = insides[room] ?? [];
  return folders.map((folder, i) => {
    const isRoom = folder === '.';
    const named = folders.slice(0, i).map(above => above === '.' ? '[a-z0-9_]+$' : `${above}/`);
    const message = `${room}/${folder} lies below ${folders.slice(0, i).join(', ')}: imports point downwards only.`;
    const own = named.length === 0 ? [] : [{regex: `^${isRoom ? '\\.' : '\\.\\.'}/(${named.join('|')})`, message}];
    return restricted([`src/${room}/${isRoom ? '' : `${folder}/`}*.ts`], [...patterns, ...own]);
  });
}

export default tseslint.config(
  {ignores: ['dist/', 'build/', 'docs/api/', '**/node_modules/', '.cache/', 'src/kernels/assembly/']},
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {parserOptions: {projectService: true, tsconfigRootDir: import.meta.dirname}},
    rules: {
      'prefer-const': ['error', {destructuring: 'all'}],
      'no-var': 'error',
      eqeqeq: ['error', 'always', {null: 'ignore'}],
      '@typescript-eslint/consistent-type-imports': ['error', {fixStyle: 'inline-type-imports', disallowTypeAnnotations: false}],
      '@typescript-eslint/no-unused-vars': ['error', {argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none'}],
      // tfjs's own signatures force these: async methods without await, and promises where it takes void.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',   // methods of tfjs are wrapped and put back
      '@typescript-eslint/no-misused-promises': ['error', {checksVoidReturn: false}],
    },
  },
  {files: ['src/**/*.ts'], rules: {'max-len': ['error', {code: 120, comments: 100, ignoreUrls: true}]}},
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...['TSImportType', 'ImportExpression', 'TSImportEqualsDeclaration'].map(selector =>
        ({selector, message: 'Import at the head of the file, so that the direction of imports is checked.'}))],
    },
  },
  restricted(['src/*.ts'], []),
  restricted(['src/errors.ts', 'src/shown.ts'], [{regex: '^\\.', message: 'errors.ts and shown.ts lie below all rooms: they import no file of src/.'}]),
  ...rooms.flatMap(onlyDownwards),
  {
    files: ['test/**/*.ts', 'docs/**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `tf.mean(x) as tf.Scalar` is how tfjs users write it.
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
    },
  },
);
