// A page that makes calls with the gRPC-Web client of its makers. Messages are bytes here.
import { GrpcWebClientBase, MethodDescriptor, MethodType } from 'grpc-web';

const clients = { binary: new GrpcWebClientBase({ format: 'binary' }), text: new GrpcWebClientBase({ format: 'text' }) };
const describe = (path, type) => new MethodDescriptor(path, type, Uint8Array, Uint8Array, (bytes) => bytes, (bytes) => bytes);
const encode = (bytes) => btoa(String.fromCharCode(...bytes));
const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const failure = ({ code, message }) => ({ code, message });

globalThis.call = ({ form, origin, path, message }) =>
  new Promise((resolve) => {
    clients[form].rpcCall(origin + path, decode(message), {}, describe(path, MethodType.UNARY), (error, reply) =>
      resolve(error ? failure(error) : { message: encode(reply) }),
    );
  });

globalThis.listen = ({ id, origin, path, message }) => {
  const stream = clients.text.serverStreaming(origin + path, decode(message), {}, describe(path, MethodType.SERVER_STREAMING));
  stream.on('data', (bytes) => globalThis.tell({ id, message: encode(bytes) }));
  stream.on('error', (error) => globalThis.tell({ id, ...failure(error) }));
};
