import { MONACO_THEMES } from './monaco-themes.ts';
import { useGraphiQL, useGraphiQLActions, useMonaco } from '@graphiql/react';
import { useEffect } from 'react';

/** Puts readable colours in place of GraphiQL's own. */
export function useEditorThemes(): void {
  const monaco = useMonaco((state) => state.monaco);
  const theme = useGraphiQL((state) => state.theme);
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    if (!monaco) return;
    for (const [name, colours] of Object.entries(MONACO_THEMES)) monaco.editor.defineTheme(name, colours);
    setTheme(theme);
  }, [monaco, theme, setTheme]);
}
