// An authorisation server for tests: the package oidc-provider, which knows nothing of this project, mounted where
// Microsoft mounts its own, at https://localhost:PORT/TENANT/v2.0. tests/rig/oidc_provider.py starts it.
//
// The protocol is the package's: discovery, client authentication, PKCE, device codes, the pages of the sign-in, refresh
// tokens with their rotation and their families, revocation, errors. Ours are its hooks: what is in a token (`scp`,
// `roles`, `upn`), who has an account, where tokens are kept (files, so that a restart keeps them), and a `password`
// grant, which the package doesn't have. Ours as well are the faults in front of it, and the record of what was asked.
//
//   node server.mjs FOLDER MODULES
//
// FOLDER/server.json    port, tenant, certificate, key, accounts and attempts (folders of a Dovecot of tests/rig)
// FOLDER/settings.json  read at each request: accessLasts, refreshLasts, codeLasts, interval (seconds), rotate
// FOLDER/store          one file for each client, token, code, grant and session
// FOLDER/faults         one file for each request to break, in the order of their names
// FOLDER/asked.log      one line for each request to an endpoint, and its answer's error
// FOLDER/public.pem     the key that access tokens are signed with, for the mail server

import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, modules] = process.argv.slice(2);
const { Provider, errors } = await import(pathToFileURL(path.join(modules, 'oidc-provider', 'lib', 'index.js')));
const given = readJson('server.json');
const tls = { cert: fs.readFileSync(given.certificate), key: fs.readFileSync(given.key) };
const KEPT_AFTER = 60_000; // so that what has expired is told from what never was, in milliseconds
const MOUNT = `/${given.tenant}/v2.0`;
const OIDC = 'openid profile offline_access';
const RESOURCES = {
  'https://outlook.office.com': 'https://outlook.office.com/IMAP.AccessAsUser.All',
  'https://outlook.office365.com': 'https://outlook.office365.com/.default',
};

function readJson(name) {
  return JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
}

// Nobody sees a file that is half written, and a crash leaves none.
function write(file, content) {
  fs.writeFileSync(`${file}.part`, content);
  fs.renameSync(`${file}.part`, file);
}

// -- rights: those of the mail server, whose count of attempts is ours as well

if (process.getuid() === 0) {
  const { uid, gid } = fs.statSync(given.attempts);
  process.setgroups([]);
  process.setgid(gid);
  process.setuid(uid);
}

// -- what is kept

class Files {
  constructor(model) {
    this.model = model;
    this.place = path.join(folder, 'store', model);
    fs.mkdirSync(this.place, { recursive: true });
  }

  file(id) {
    return path.join(this.place, `${crypto.createHash('sha256').update(String(id)).digest('hex')}.json`);
  }

  read(file) {
    try {
      const { id, payload, until } = JSON.parse(fs.readFileSync(file, 'utf8'));
      return until && until + KEPT_AFTER < Date.now() ? undefined : { id, payload };
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      return undefined;
    }
  }

  all() {
    const names = fs.readdirSync(this.place).filter((name) => name.endsWith('.json'));
    return names.map((name) => this.read(path.join(this.place, name))).filter(Boolean);
  }

  async upsert(id, payload, lasts) {
    write(this.file(id), JSON.stringify({ id, payload, until: lasts ? Date.now() + lasts * 1000 : undefined }));
  }

  async find(id) {
    return this.read(this.file(id))?.payload;
  }

  async findByUid(uid) {
    return this.all().find(({ payload }) => payload.uid === uid)?.payload;
  }

  async findByUserCode(code) {
    return this.all().find(({ payload }) => payload.userCode === code)?.payload;
  }

  async consume(id) {
    const { payload } = this.read(this.file(id));
    await this.upsert(id, { ...payload, consumed: Math.floor(Date.now() / 1000) });
  }

  async destroy(id) {
    fs.rmSync(this.file(id), { force: true });
  }

  async revokeByGrantId(grantId) {
    for (const { id, payload } of this.all()) if (payload.grantId === grantId) await this.destroy(id);
  }
}

function signingKey() {
  const file = path.join(folder, 'signing.pem');
  if (!fs.existsSync(file)) {
    const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    write(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  }
  const key = crypto.createPrivateKey(fs.readFileSync(file));
  write(path.join(folder, 'public.pem'), crypto.createPublicKey(key).export({ type: 'spki', format: 'pem' }));
  return { ...key.export({ format: 'jwk' }), kid: 'rig', alg: 'RS256', use: 'sig' };
}

// -- who has an account: those of the mail server, whose passwords and counts these are (see tests/rig/passdb.lua)

function account(address) {
  if (!address || address.includes('/')) return undefined;
  const file = path.join(given.accounts, address);
  if (!fs.existsSync(file)) return undefined;
  const [password, limit, mood] = fs.readFileSync(file, 'utf8').split('\n');
  return { password, limit: Number(limit), mood };
}

function findAccount(_ctx, address) {
  if (account(address)?.mood !== 'ok') return undefined;
  return { accountId: address, claims: () => ({ sub: address, preferred_username: address, name: 'Pathology results' }) };
}

function failures(file) {
  let count = 0;
  for (const word of fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n') : []) {
    if (word === 'fail' || word === 'locked') count += 1;
    if (word === 'ok' || word === 'unlock') count = 0;
  }
  return count;
}

// Check a password as the mail server does, and count it where the mail server counts.
function checkPassword(address, password) {
  const found = account(address);
  if (!found) throw new errors.InvalidGrant('there is no such account');
  const file = path.join(given.attempts, address);
  const locked = found.limit > 0 && failures(file) >= found.limit;
  const verdict = locked ? 'locked' : password === found.password ? found.mood : 'fail';
  fs.appendFileSync(file, `${verdict}\n`);
  if (verdict !== 'ok') throw new errors.InvalidGrant('the password was not accepted');
}

// -- the package, with our hooks

const provider = new Provider(`https://localhost:${given.port}${MOUNT}`, {
  adapter: Files,
  jwks: { keys: [signingKey()] },
  cookies: { keys: ['rig'] },
  scopes: OIDC.split(' '),
  claims: { openid: ['sub'], profile: ['preferred_username', 'name'] },
  conformIdTokenClaims: false,
  extraClientMetadata: { properties: ['mailbox'] },
  findAccount,
  rotateRefreshToken: () => readJson('settings.json').rotate,
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: () => false,
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, _client, oneOf) => oneOf ?? resourceOf(ctx.oidc.params.scope),
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => serverOf(resource),
    },
  },
  formats: { customizers: { jwt: asMicrosoft } },
  ttl: {
    AccessToken: () => readJson('settings.json').accessLasts,
    ClientCredentials: () => readJson('settings.json').accessLasts,
    RefreshToken: () => readJson('settings.json').refreshLasts,
    DeviceCode: () => readJson('settings.json').codeLasts,
    IdToken: 3600,
    Grant: 90 * 86400,
    Interaction: 3600,
    Session: 86400,
  },
});

function resourceOf(scope) {
  const asked = scope?.split(' ') ?? [];
  return Object.keys(RESOURCES).find((resource) => asked.includes(RESOURCES[resource]));
}

function serverOf(resource) {
  if (!RESOURCES[resource]) throw new errors.InvalidTarget();
  return { scope: RESOURCES[resource], audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
}

// An access token as Microsoft's: a person's has `scp`, an application's `roles`. Microsoft's for an application has no
// `upn`; here it has, because that is what the mail server compares with the mailbox.
async function asMicrosoft(_ctx, token, jwt) {
  const { payload } = jwt;
  if (token.kind === 'ClientCredentials') {
    const { mailbox } = await provider.Client.find(token.clientId);
    Object.assign(payload, { roles: ['IMAP.AccessAsApp'], upn: mailbox, tid: given.tenant, ver: '1.0' });
  } else {
    const scp = token.scope.split(' ').map((scope) => scope.split('/').at(-1)).join(' ');
    Object.assign(payload, { scp, upn: token.accountId, tid: given.tenant, ver: '1.0' });
  }
}

provider.registerGrantType('password', async (ctx) => {
  const { client, params } = ctx.oidc;
  checkPassword(params.username, params.password);
  const resource = resourceOf(params.scope);
  if (!resource) throw new errors.InvalidScope('no scope of a mail server', params.scope);
  const accountId = params.username;
  const person = findAccount(ctx, accountId);
  ctx.oidc.entity('Account', person);
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  grant.addOIDCScope(OIDC);
  grant.addResourceScope(resource, RESOURCES[resource]);
  const kept = { accountId, client, grantId: await grant.save(), gty: 'password', authTime: Math.floor(Date.now() / 1000) };
  const access = new provider.AccessToken({ ...kept, scope: RESOURCES[resource] });
  access.resourceServer = new provider.ResourceServer(resource, serverOf(resource));
  const refresh = new provider.RefreshToken({ ...kept, resource, rotations: 0, scope: `${OIDC} ${RESOURCES[resource]}` });
  const id = new provider.IdToken(await person.claims(), { ctx });
  id.scope = 'openid profile';
  ctx.body = {
    access_token: await access.save(),
    refresh_token: await refresh.save(),
    id_token: await id.issue({ use: 'idtoken' }),
    expires_in: access.expiration,
    scope: access.scope,
    token_type: 'Bearer',
  };
}, ['username', 'password', 'scope'], []);

provider.use(async (ctx, next) => {
  await next();
  const route = ctx.oidc?.route;
  // RFC 8628 leaves the interval out at will, and then it is five seconds: a test waits for less
  if (route === 'device_authorization' && ctx.status === 200) ctx.body.interval = readJson('settings.json').interval;
  if (ctx.method === 'POST' && ['token', 'device_authorization', 'revocation'].includes(route)) {
    const { grant_type: grant, client_id: client } = ctx.oidc.params ?? {};
    const { error = null, error_description: description = null } = ctx.body?.error ? ctx.body : {};
    note({ route, status: ctx.status, grant: grant ?? null, client: client ?? null, error, description });
  }
});

function note(line) {
  fs.appendFileSync(path.join(folder, 'asked.log'), `${JSON.stringify(line)}\n`);
}

// -- faults in front of it

function faultFor(url) {
  const place = path.join(folder, 'faults');
  for (const name of fs.readdirSync(place).sort()) {
    if (!name.endsWith('.json')) continue;
    const fault = readJson(path.join('faults', name));
    if (url.split('?')[0].endsWith(fault.at)) {
      fs.rmSync(path.join(place, name));
      return fault;
    }
  }
  return undefined;
}

// Whether the package is to answer as well.
function goesOn(fault, request, response) {
  if (!fault) return true;
  note({ route: fault.at, fault: fault.how, status: fault.status ?? null });
  switch (fault.how) {
    case 'answer':
      response.writeHead(fault.status, fault.headers).end(fault.body);
      return false;
    case 'garbage':
      request.socket.end('SSH-2.0-OpenSSH_9.9\r\n\r\n');
      return false;
    case 'unheard':
      request.socket.destroy();
      return false;
    case 'slow': { // it does what is asked at once
      const { end } = response;
      response.end = (...content) => setTimeout(() => end.apply(response, content), fault.delay * 1000);
      return true;
    }
    default: // 'unanswered': it does what is asked, and its answer is lost
      response.end = () => request.socket.destroy();
      return true;
  }
}

const answer = provider.callback();
https.createServer(tls, (request, response) => {
  if (!goesOn(faultFor(request.url), request, response)) return;
  if (!request.url.startsWith(`${MOUNT}/`)) {
    response.writeHead(404).end();
    return;
  }
  // OpenID Connect gives no refresh token without `prompt=consent`; Microsoft asks for consent by itself
  if (request.url.startsWith(`${MOUNT}/auth?`) && !/[?&]prompt=/.test(request.url)) request.url += '&prompt=consent';
  request.originalUrl = request.url;
  request.url = request.url.slice(MOUNT.length);
  answer(request, response);
}).listen(given.port, '127.0.0.1');
