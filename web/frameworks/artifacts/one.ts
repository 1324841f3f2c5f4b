/**
 * @generated SignedSource<<cf6d1a84425d80fd850fb068e9a67e35>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import { ConcreteRequest } from 'relay-runtime';
export type pagesOneQuery$variables = {
  id: string;
};
export type pagesOneQuery$data = {
  readonly record: {
    readonly data: any | null | undefined;
    readonly id: string;
    readonly revision: any;
  } | null | undefined;
};
export type pagesOneQuery = {
  response: pagesOneQuery$data;
  variables: pagesOneQuery$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "id"
  }
],
v1 = [
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
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "id",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "data",
        "storageKey": null
      },
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
    "name": "pagesOneQuery",
    "selections": (v1/*:: as any*/),
    "type": "Query",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "pagesOneQuery",
    "selections": (v1/*:: as any*/)
  },
  "params": {
    "cacheID": "3936a1735992df074450a698f3d5afd6",
    "id": null,
    "metadata": {},
    "name": "pagesOneQuery",
    "operationKind": "query",
    "text": "query pagesOneQuery(\n  $id: ID!\n) {\n  record(id: $id) {\n    id\n    data\n    revision\n  }\n}\n"
  }
};
})();

(node as any).hash = "166e1e6cf78bded71a02998c1c9ba458";

export default node;
