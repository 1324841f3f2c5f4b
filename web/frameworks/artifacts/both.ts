/**
 * @generated SignedSource<<c9f5fcb8c9deef87cce4b4028c4ebdc8>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import { ConcreteRequest } from 'relay-runtime';
export type pagesBothQuery$variables = {
  id: string;
};
export type pagesBothQuery$data = {
  readonly record: {
    readonly id: string;
    readonly revision: any;
  } | null | undefined;
  readonly viewer: {
    readonly head: any;
    readonly id: string;
  };
};
export type pagesBothQuery = {
  response: pagesBothQuery$data;
  variables: pagesBothQuery$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "id"
  }
],
v1 = {
  "alias": null,
  "args": null,
  "kind": "ScalarField",
  "name": "id",
  "storageKey": null
},
v2 = [
  {
    "alias": null,
    "args": null,
    "concreteType": "Viewer",
    "kind": "LinkedField",
    "name": "viewer",
    "plural": false,
    "selections": [
      (v1/*:: as any*/),
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "head",
        "storageKey": null
      }
    ],
    "storageKey": null
  },
  {
    "alias": null,
    "args": [
      {
        "kind": "Variable",
        "name": "id",
        "variableName": "id"
      }
    ],
    "concreteType": "Record",
    "kind": "LinkedField",
    "name": "record",
    "plural": false,
    "selections": [
      (v1/*:: as any*/),
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "revision",
        "storageKey": null
      }
    ],
    "storageKey": null
  }
];
return {
  "fragment": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Fragment",
    "metadata": null,
    "name": "pagesBothQuery",
    "selections": (v2/*:: as any*/),
    "type": "Query",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "pagesBothQuery",
    "selections": (v2/*:: as any*/)
  },
  "params": {
    "cacheID": "ffcce3acbc4a8c5b983071b5322c69ce",
    "id": null,
    "metadata": {},
    "name": "pagesBothQuery",
    "operationKind": "query",
    "text": "query pagesBothQuery(\n  $id: ID!\n) {\n  viewer {\n    id\n    head\n  }\n  record(id: $id) {\n    id\n    revision\n  }\n}\n"
  }
};
})();

(node as any).hash = "a7b390d2392e346b28346a04286fe526";

export default node;
