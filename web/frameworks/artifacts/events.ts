/**
 * @generated SignedSource<<cf58e9a30866e200e5b3a7d5bd261f75>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import { ConcreteRequest } from 'relay-runtime';
export type RecordChangeKind = "CAUGHT_UP" | "CHANGED" | "%future added value";
export type pagesEventsSubscription$variables = Record<PropertyKey, never>;
export type pagesEventsSubscription$data = {
  readonly recordChanged: {
    readonly kind: RecordChangeKind;
    readonly record: {
      readonly data: any | null | undefined;
      readonly deleted: boolean;
      readonly id: string;
      readonly revision: any;
    } | null | undefined;
  };
};
export type pagesEventsSubscription = {
  response: pagesEventsSubscription$data;
  variables: pagesEventsSubscription$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "alias": null,
    "args": null,
    "concreteType": "RecordChange",
    "kind": "LinkedField",
    "name": "recordChanged",
    "plural": false,
    "selections": [
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "kind",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
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
          },
          {
            "alias": null,
            "args": null,
            "kind": "ScalarField",
            "name": "deleted",
            "storageKey": null
          }
        ],
        "storageKey": null
      }
    ],
    "storageKey": null
  }
];
return {
  "fragment": {
    "argumentDefinitions": [],
    "kind": "Fragment",
    "metadata": null,
    "name": "pagesEventsSubscription",
    "selections": (v0/*:: as any*/),
    "type": "Subscription",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": [],
    "kind": "Operation",
    "name": "pagesEventsSubscription",
    "selections": (v0/*:: as any*/)
  },
  "params": {
    "cacheID": "b0766e36d2aa1c4b64d5cc528b7b8cd8",
    "id": null,
    "metadata": {},
    "name": "pagesEventsSubscription",
    "operationKind": "subscription",
    "text": "subscription pagesEventsSubscription {\n  recordChanged {\n    kind\n    record {\n      id\n      data\n      revision\n      deleted\n    }\n  }\n}\n"
  }
};
})();

(node as any).hash = "a78df5ef4c48bc1dec7cf6de3726cad1";

export default node;
