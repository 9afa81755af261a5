/** The Temporal service that workers and commands talk to: the standard TEMPORAL_* environment or temporal.toml. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';

export interface TemporalService {
  connectionOptions: NativeConnectionOptions;
  namespace: string;
  address: string;
}

/**
 * @param env `RETINOPATHY_EMBEDDED=1` says that the address is the embedded server's, which no configuration file may overrule
 */
export function temporalService(env: NodeJS.ProcessEnv): TemporalService {
  const embedded = env.RETINOPATHY_EMBEDDED === '1';
  const { connectionOptions, namespace } = loadClientConnectConfig({
    disableFile: embedded,
    overrideEnvVars: env as Record<string, string>,
  });
  return {
    connectionOptions: connectionOptions as NativeConnectionOptions,
    namespace: namespace ?? 'default',
    address: connectionOptions.address ?? 'localhost:7233',
  };
}
