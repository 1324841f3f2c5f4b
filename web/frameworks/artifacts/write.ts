/**
 * @generated SignedSource<<6087376556d5433524e4a304b183925d>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import { ConcreteRequest } from 'relay-runtime';
export type WriteStatus = "CONFLICT" | "SKIPPED" | "SUCCESS" | "%future added value";
export type SetRecordInput = {
  clientId?: string | null | undefined;
  data: any;
  fence?: FenceInput | null | undefined;
  id: string;
  mutationId?: string | null | undefined;
  revision?: any;
  schemaVersion?: string;
};
export type FenceInput = {
  lock: string;
  token: any;
};
export type pagesWriteMutation$variables = {
  input: SetRecordInput;
};
export type pagesWriteMutation$data = {
  readonly setRecord: {
    readonly record: {
      readonly data: any | null | undefined;
      readonly id: string;
      readonly revision: any;
    } | null | undefined;
    readonly status: WriteStatus;
  };
};
export type pagesWriteMutation = {
  response: pagesWriteMutation$data;
  variables: pagesWriteMutation$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "input"
  }
],
v1 = [
  {
    "alias": null,
    "args": [
      {
        "kind": "Variable",
        "name": "input",
        "variableName": "input"
      }
    ],
    "concreteType": "WriteRecordPayload",
    "kind": "LinkedField",
    "name": "setRecord",
    "plural": false,
    "selections": [
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "status",
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
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Fragment",
    "metadata": null,
    "name": "pagesWriteMutation",
    "selections": (v1/*:: as any*/),
    "type": "Mutation",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "pagesWriteMutation",
    "selections": (v1/*:: as any*/)
  },
  "params": {
    "cacheID": "a6be00dac571ce7a0c3bc4f2207f6f7e",
    "id": null,
    "metadata": {},
    "name": "pagesWriteMutation",
    "operationKind": "mutation",
    "text": "mutation pagesWriteMutation(\n  $input: SetRecordInput!\n) {\n  setRecord(input: $input) {\n    status\n    record {\n      id\n      data\n      revision\n    }\n  }\n}\n"
  }
};
})();

(node as any).hash = "c15b9c4ba57684bc315b0768c9f08e55";

export default node;
