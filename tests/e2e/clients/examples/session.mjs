// The tokens of one signed-in person, and a fetch that sends them.
const REFRESH = `mutation ($token: String!) { refreshSession(refreshToken: $token) {
  ... on SignedIn { accessToken refreshToken } ... on Error { message } } }`;

export class Session {
  #refreshing;

  constructor(url, { accessToken, refreshToken }) {
    Object.assign(this, { url, accessToken, refreshToken });
  }

  // As the global fetch; on a 401 because the token has expired, it refreshes and asks once more.
  fetch = async (url, options) => {
    const token = this.accessToken;
    const response = await this.#send(url, options);
    if (response.status !== 401 || !(await response.clone().text()).includes('"EXPIRED"')) return response;
    await this.refresh(token);
    return this.#send(url, options);
  };

  // Requests that fail with the same token share one refresh.
  async refresh(expired) {
    if (this.accessToken !== expired) return;
    this.#refreshing ??= this.#exchange().finally(() => (this.#refreshing = undefined));
    await this.#refreshing;
  }

  async query(query, variables) {
    const body = JSON.stringify({ query, variables });
    const response = await this.fetch(this.url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const { data, errors } = await response.json();
    if (errors) throw new Error(errors[0].message);
    return data;
  }

  #send(url, options) {
    const headers = new Headers(options?.headers);
    if (this.accessToken) headers.set("authorization", `Bearer ${this.accessToken}`);
    return fetch(url, { ...options, headers });
  }

  async #exchange() {
    const anonymous = new Session(this.url, {}); // a token that is sent is always checked
    const { refreshSession } = await anonymous.query(REFRESH, { token: this.refreshToken });
    if (refreshSession.message) throw new Error(refreshSession.message); // sign in again
    Object.assign(this, refreshSession);
  }
}
