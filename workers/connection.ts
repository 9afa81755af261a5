/** The Temporal service that workers and commands talk to: the standard TEMPORAL_* environment or temporal.toml. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions, WorkerDeploymentOptions } from '@temporalio/worker';

export interface TemporalService {
  connectionOptions: NativeConnectionOptions;
  namespace: string;
  address: string;
}

/**
 * @param env `RETINOPATHY_EMBEDDED=1` says that the address is the embedded server's, which no configuration file may overrule
 * @throws Error with one line for a person when a file of the configuration cannot be read
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
    // Below its first line, a message about a file that cannot be parsed shows the lines of the file, and a key may be among them.
    const [reason] = (error as Error).message.split('\n');
    throw new Error(`Expected the settings of Temporal (TEMPORAL_*, temporal.toml) to be usable, got: ${reason}`);
  }
}

/** For a service that cannot be reached. */
export function unreachable({ address, namespace }: TemporalService, error: Error): Error {
  // The SDK's own words hold those of several layers, of which the innermost is what a person needs.
  const inner = [...error.message.matchAll(/(?:message: "|invalid peer certificate: )([^"()]+)/g)].at(-1)?.[1];
  return new Error(
    `Expected a Temporal service at ${address} (namespace ${namespace}), got: ${inner ?? error.message.split('\n')[0]}`,
  );
}

/**
 * Worker Versioning, under the names that Temporal's worker controller gives to workers; off without them. Runs go over to a new
 * version of the workflows, whose code replays what older ones have begun.
 * @throws Error with one line for a person when only one of the two is set
 */
export function deploymentOf(env: NodeJS.ProcessEnv): WorkerDeploymentOptions | undefined {
  const { TEMPORAL_DEPLOYMENT_NAME: deploymentName, TEMPORAL_WORKER_BUILD_ID: buildId } = env;
  // Workers of `npm start` are always of one version.
  if (env.RETINOPATHY_EMBEDDED === '1' || (!deploymentName && !buildId)) return undefined;
  if (deploymentName && buildId)
    return {
      ...{ version: { deploymentName, buildId }, useWorkerVersioning: true },
      defaultVersioningBehavior: 'AUTO_UPGRADE',
    };
  const [set, missing] = ['TEMPORAL_DEPLOYMENT_NAME', 'TEMPORAL_WORKER_BUILD_ID'].sort(name => (env[name] ? -1 : 1));
  throw new Error(`Expected ${missing} beside ${set}, got nothing: Worker Versioning takes both`);
}
