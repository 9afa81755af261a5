/** EC2's instance metadata service, version 2: every question needs a token, which is asked for with PUT and expires. */
import { type IncomingMessage, request } from 'node:http';

const LINK_LOCAL = 'http://169.254.169.254';
/** It answers from the machine's own host, in milliseconds. */
const TIMEOUT_MS = 1_000;
const TOKEN_SECONDS = 3_600;
/** A token is renewed so long before its end. */
const RENEW_BEFORE_MS = 15_000;

interface Answer {
  status: number;
  body: string;
  /** Seconds that the token is good for, in the answer to PUT. */
  ttl: number;
}

export class InstanceMetadata {
  private readonly base: URL;
  private readonly tokenSeconds: number;
  private token: { value: string; renewAt: number } | undefined;

  /**
   * @param base of the service, such as `http://169.254.169.254` or `http://[fd00:ec2::254]`
   * @param tokenSeconds life of the tokens that are asked for, 1 to 21,600
   * @throws Error with one line for a person when `base` is no http address
   */
  constructor(base: string = LINK_LOCAL, tokenSeconds = TOKEN_SECONDS) {
    if (!URL.canParse(base) || new URL(base).protocol !== 'http:')
      throw new Error(`Expected AWS_EC2_METADATA_SERVICE_ENDPOINT to be an http:// address, got \`${base}\``);
    this.base = new URL(base);
    this.tokenSeconds = tokenSeconds;
  }

  /** Whether the service is there: one request, of a second at most. Never rejects. */
  async answers(): Promise<boolean> {
    return this.renewedToken().then(
      () => true,
      () => false,
    );
  }

  /**
   * @param path under `/latest/meta-data/`, e.g. `spot/instance-action`
   * @returns the text; undefined where there is none (404)
   * @throws Error when the service does not answer in time, or refuses
   */
  async get(path: string): Promise<string | undefined> {
    const url = `/latest/meta-data/${path}`;
    const ask = async (token: string) => this.ask('GET', url, { 'X-aws-ec2-metadata-token': token });
    const known = this.token && Date.now() < this.token.renewAt ? this.token.value : undefined;
    let answer = await ask(known ?? (await this.renewedToken()));
    // The service forgets its tokens when the machine was stopped in between.
    if (answer.status === 401) answer = await ask(await this.renewedToken());
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new Error(`Expected ${url} from ${this.base.host}, got HTTP ${answer.status}`);
    return answer.body;
  }

  private async renewedToken(): Promise<string> {
    this.token = undefined;
    const { status, body, ttl } = await this.ask('PUT', '/latest/api/token', {
      'X-aws-ec2-metadata-token-ttl-seconds': String(this.tokenSeconds),
    });
    if (status !== 200 || body === '')
      throw new Error(`Expected a token from ${this.base.host}, got HTTP ${status}: is the metadata service enabled?`);
    const life = (Number.isFinite(ttl) ? ttl : this.tokenSeconds) * 1000;
    this.token = { value: body, renewAt: Date.now() + Math.max(life / 2, life - RENEW_BEFORE_MS) };
    return body;
  }

  /** With Node's own client: the service is on the machine, and never behind the proxy that the environment may name. */
  private ask(method: string, path: string, headers: Record<string, string>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const fail = (error: Error) => {
        const reason = signal.aborted ? `nothing for ${TIMEOUT_MS / 1000} s` : error.message;
        reject(new Error(`Expected ${this.base.host} to answer ${path}, got ${reason}`));
      };
      const asking = request(new URL(path, this.base), { method, headers, agent: false, signal });
      asking.once('error', fail);
      asking.once('response', (response: IncomingMessage) => {
        const chunks: Buffer[] = [];
        response.on('data', chunk => chunks.push(chunk));
        response.once('error', fail);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString('utf8'),
            ttl: Number(response.headers['x-aws-ec2-metadata-token-ttl-seconds'] ?? Number.NaN),
          }),
        );
      });
      asking.end();
    });
  }
}
