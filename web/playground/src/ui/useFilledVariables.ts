import { useGraphiQL } from '@graphiql/react';
import { use, useEffect } from 'react';

import { exampleOf, refresh } from '../model/examples.ts';
import { survives } from '../model/json-text.ts';
import { AnsweredContext } from './answered.ts';
import { useDevice } from './context.ts';

/**
 * Brings the variables of an example up to date when its tab is opened, when an
 * answer came, and when another device takes over: revision, token and names.
 */
export function useFilledVariables(): void {
  const device = useDevice();
  const answered = use(AnsweredContext);
  const { tabId, title, editor } = useGraphiQL(({ tabs, activeTabIndex, variableEditor }) => ({
    tabId: tabs[activeTabIndex]?.id,
    title: tabs[activeTabIndex]?.title,
    editor: variableEditor,
  }));
  useEffect(() => {
    const example = exampleOf(title);
    if (!example || !editor) return;
    const present = parse(editor.getValue());
    if (present === null) return; // the user is in the middle of something, or wrote what JSON.parse changes
    const text = JSON.stringify(refresh(example, device, present), null, 2);
    if (text !== editor.getValue()) editor.setValue(text);
  }, [device, answered, tabId, title, editor]);
}

/** The variables in an editor: undefined if it is empty, null if they cannot be read and written again as they are. */
function parse(text: string): Record<string, unknown> | undefined | null {
  if (text.trim() === '') return undefined;
  try {
    return survives(text) ? (JSON.parse(text) as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
