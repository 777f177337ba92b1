import type { CodegenConfig } from '@graphql-codegen/cli';

export default {
  // Or the address of a running server: 'http://127.0.0.1:8000/graphql'.
  schema: '../../schema.graphql',
  documents: 'src/*.{ts,tsx}',
  generates: {
    'src/gql/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        scalars: { Cursor: 'string', DateTime: 'string' },
        // Apollo asks for the name of every type, and an optimistic answer must have it.
        nonOptionalTypename: true,
        skipTypeNameForRoot: true,
      },
    },
  },
} satisfies CodegenConfig;
