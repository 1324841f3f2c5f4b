import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect } from 'react';

import { useEditorThemes } from './useEditorThemes.ts';

const themes = [
  { value: null, label: 'System', icon: '◐' },
  { value: 'light', label: 'Light', icon: '☀' },
  { value: 'dark', label: 'Dark', icon: '☾' },
] as const;

/** Light, dark, or as the system has it. */
export function ThemeSwitch() {
  const theme = useGraphiQL((state) => state.theme);
  const { setTheme } = useGraphiQLActions();
  useEditorThemes();
  useEffect(() => {
    const system = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => setTheme(theme);
    system.addEventListener('change', follow);
    return () => system.removeEventListener('change', follow);
  }, [theme, setTheme]);
  return (
    <div className="segments themes" role="radiogroup" aria-label="Theme">
      {themes.map(({ value, label, icon }) => (
        <label key={label} title={label}>
          <input type="radio" name="theme" aria-label={label} checked={theme === value} onChange={() => setTheme(value)} />
          <span aria-hidden="true">{icon}</span>
        </label>
      ))}
    </div>
  );
}
