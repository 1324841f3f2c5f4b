import { DocExplorer } from '@graphiql/plugin-doc-explorer';

/** The schema, every field described. */
export function DocsPanel() {
  return (
    <div className="docs graphiql-container">
      <DocExplorer />
      <p className="quiet">
        The whole of it in one file: <a href="schema.graphql">schema.graphql</a>. <a href="readyz">readyz</a> tells whether the server is ready,{' '}
        <a href="licenses.md">licenses.md</a> what this page is made of.
      </p>
    </div>
  );
}
