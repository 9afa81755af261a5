/** Connection settings of the Temporal service for workers and commands, from the standard TEMPORAL_* variables or temporal.toml. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions, WorkerDeploymentOptions } from '@temporalio/worker';
import { reasonOf } from '../lib/quote.ts';

export interface TemporalService {
  connectionOptions: NativeConnectionOptions;
  namespace: string;
  address: string;
}

/**
 * Reads the connection settings of the Temporal service.
 * @param env `RETINOPATHY_EMBEDDED=1`: the address is the embedded server's, and no configuration file overrides it
 * @throws Error with a one-line message when a configuration file cannot be read
 */
export function temporalService(env: NodeJS.ProcessEnv): TemporalService {
  const embedded = env.RETINOPATHY_EMBEDDED === '1';
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({
      disableFile: embedded,
      overrideEnvVars: env as Record<string, string>,
    });
    return {
      connectionOptions: connectionOptions as NativeConnectionOptions,
      namespace: namespace ?? 'default',
      address: connectionOptions.address ?? 'localhost:7233',
    };
  } catch (error) {
    // Below its first line, the message about a file that cannot be parsed quotes that file. A key may be in it.
    throw new Error(
      `Expected the settings of Temporal (TEMPORAL_*, temporal.toml) to be usable, got: ${reasonOf(error)}`,
    );
  }
}

/** Creates the error for a service that cannot be reached. `proxy` is the one that was asked to connect to it. */
export function unreachable({ address, namespace }: TemporalService, error: Error, proxy?: string): Error {
  // The SDK's message nests those of several layers. The innermost is the useful one.
  const inner = [...error.message.matchAll(/(?:message: "|invalid peer certificate: )([^"()]+)/g)].at(-1)?.[1];
  return new Error(
    `Expected a Temporal service at ${address} (namespace ${namespace})${proxy ? ` by the proxy ${proxy}` : ''}, got: ${reasonOf(inner ?? error)}`,
  );
}

/**
 * Returns the options of Worker Versioning, named as Temporal's worker controller names them; undefined when they are not set.
 * Runs move to a new version of the workflows, whose code replays histories that older versions started.
 * @throws Error with a one-line message when only one of the two variables is set
 */
export function deploymentOf(env: NodeJS.ProcessEnv): WorkerDeploymentOptions | undefined {
  const { TEMPORAL_DEPLOYMENT_NAME: deploymentName, TEMPORAL_WORKER_BUILD_ID: buildId } = env;
  // All workers of `npm start` have the same version.
  if (env.RETINOPATHY_EMBEDDED === '1' || (!deploymentName && !buildId)) return undefined;
  if (deploymentName && buildId)
    return {
      ...{ version: { deploymentName, buildId }, useWorkerVersioning: true },
      defaultVersioningBehavior: 'AUTO_UPGRADE',
    };
  const [set, missing] = ['TEMPORAL_DEPLOYMENT_NAME', 'TEMPORAL_WORKER_BUILD_ID'].sort(name => (env[name] ? -1 : 1));
  throw new Error(`Expected ${missing} beside ${set}, got nothing: Worker Versioning takes both`);
}
