// What Monaco has, but does not declare.
declare module 'monaco-editor/esm/vs/editor/browser/config/tabFocus.js' {
  export const TabFocus: { setTabFocusMode(tabMovesFocus: boolean): void };
}
