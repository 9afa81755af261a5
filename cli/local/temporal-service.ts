/** The Temporal service of the environment (TEMPORAL_ADDRESS, temporal.toml), for commands that need no workers. */
import { Client, Connection } from '@temporalio/client';
import { grpcProxy } from '../../lib/proxy.ts';
import { UserError } from '../../lib/user-error.ts';
import { temporalService, unreachable } from '../../workers/connection.ts';

/** Connects to the service until `use` has ended. @throws UserError when the service cannot be reached */
export async function onTemporalService<Result>(
  use: (client: Client, address: string) => Promise<Result>,
): Promise<Result> {
  const service = temporalService(process.env);
  const connection = await Connection.connect(service.connectionOptions).catch(error => {
    throw new UserError(unreachable(service, error, grpcProxy(service.address, process.env)).message);
  });
  try {
    return await use(new Client({ connection, namespace: service.namespace }), service.address);
  } finally {
    await connection.close();
  }
}
