// Monaco rejects the promise of delayed work when its editor goes away, and often nobody holds that promise
// (https://github.com/microsoft/monaco-editor/issues/4702). Its own handlers take a cancellation for no error; here the
// browser is told so too. Anything else is reported as ever.
addEventListener('unhandledrejection', (event) => {
  const { reason } = event;
  if (reason instanceof Error && reason.name === 'Canceled' && reason.message === 'Canceled') event.preventDefault();
});
