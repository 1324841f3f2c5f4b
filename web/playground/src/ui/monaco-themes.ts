import type { editor } from 'monaco-editor';

/** By the names that GraphiQL knows. Each colour has a contrast of 4.5 or more on the page's surfaces. */
export const MONACO_THEMES: Readonly<Record<string, editor.IStandaloneThemeData>> = {
  'graphiql-LIGHT': {
    base: 'vs',
    inherit: true,
    colors: { 'editor.background': '#ffffff00', focusBorder: '#0b6b6b', 'editor.foreground': '#1b2228' },
    rules: [
      { token: 'comment', foreground: '5b6670' },
      { token: 'keyword', foreground: '8a1c6b' },
      { token: 'string', foreground: '0b5c2e' },
      { token: 'string.key.json', foreground: '0b4f7d' },
      { token: 'string.value.json', foreground: '0b5c2e' },
      { token: 'number', foreground: '8f4700' },
      { token: 'argument.identifier.gql', foreground: '5a48b8' },
    ],
  },
  'graphiql-DARK': {
    base: 'vs-dark',
    inherit: true,
    colors: { 'editor.background': '#ffffff00', focusBorder: '#6ad6c8', 'editor.foreground': '#e3e8ec' },
    rules: [
      { token: 'comment', foreground: '98a4ae' },
      { token: 'keyword', foreground: 'f29fd6' },
      { token: 'string', foreground: '93d9a8' },
      { token: 'string.key.json', foreground: '8cc8f5' },
      { token: 'string.value.json', foreground: '93d9a8' },
      { token: 'number', foreground: 'f2b880' },
      { token: 'argument.identifier.gql', foreground: 'b9adff' },
    ],
  },
};
