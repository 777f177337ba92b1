//! A client over HTTP.

use std::time::Duration;

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::wait::TIMEOUT;

/// Sends operations by POST, as one user and one client of the API.
#[derive(Clone)]
pub struct Client {
    url: String,
    http: reqwest::Client,
    token: Option<String>,
    client_id: Option<String>,
    accept: Option<String>,
    behind: Option<String>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON, or as a text if it is none.
    pub body: Value,
}

impl Client {
    /// Creates an anonymous client of the API at `url`.
    pub fn new(url: String) -> Self {
        Self {
            url,
            http: http(TIMEOUT),
            token: None,
            client_id: None,
            accept: None,
            behind: None,
        }
    }

    /// Accepts only answers of these media types.
    pub fn accepting(mut self, accept: &str) -> Self {
        self.accept = Some(accept.to_owned());
        self
    }

    /// Sends as if through a proxy that forwards `address` as the client's.
    pub fn behind(mut self, address: &str) -> Self {
        self.behind = Some(address.to_owned());
        self
    }

    /// Gives up on an answer after `timeout`, for servers that may be frozen.
    pub fn within(mut self, timeout: Duration) -> Self {
        self.http = http(timeout);
        self
    }

    /// Signs in with this token.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Names the client by X-Client-Id.
    pub fn named(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.to_owned());
        self
    }

    /// Sends an operation and returns the answer, successful or not.
    pub async fn try_send(&self, query: &str, variables: Value) -> Reply {
        self.post("application/json", operation(query, variables))
            .await
    }

    /// Sends an operation and returns the answer's text.
    pub async fn raw(&self, query: &str, variables: Value) -> String {
        let request = self.request("application/json", operation(query, variables));
        let response = request.send().await.expect("an answer");
        response.text().await.expect("a text")
    }

    /// Sends an operation and returns the answer, or `None` if the server is gone.
    pub async fn attempt(&self, query: &str, variables: Value) -> Option<Value> {
        let request = self.request("application/json", operation(query, variables));
        request.send().await.ok()?.json().await.ok()
    }

    /// Sends an operation, asserts that there is no error, and returns its data.
    pub async fn send(&self, query: &str, variables: Value) -> Value {
        let mut reply = self.try_send(query, variables).await;
        assert_eq!(reply.body.get("errors"), None, "{:?}", reply.body);
        reply.body["data"].take()
    }

    /// Sends an operation and returns its one error.
    pub async fn refused(&self, query: &str, variables: Value) -> Value {
        let reply = self.try_send(query, variables).await;
        reply.error()
    }

    /// Sends any body.
    pub async fn post(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Reply {
        self.finish(self.request(content_type, body)).await
    }

    /// Returns the page at another path of the same server.
    pub async fn page(&self, path: &str) -> Reply {
        let url = self.url.replace("/graphql", path);
        self.finish(self.http.get(url)).await
    }

    /// Sends these parameters by GET.
    pub async fn get(&self, parameters: &[(&str, &str)]) -> Reply {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        let request = self.http.get(format!("{}?{query}", self.url));
        self.finish(self.identified(request)).await
    }

    /// Writes a comment on `hello` and returns its id.
    pub async fn comment(&self, body: &str) -> String {
        let comment = self.create_comment(json!({"body": body})).await;
        comment["id"].as_str().expect("an id").to_owned()
    }

    /// Writes a comment with this input, on `hello` if it names no post, and returns all its fields.
    pub async fn create_comment(&self, mut input: Value) -> Value {
        if input.get("postId").is_none() {
            input["postId"] = json!("hello");
        }
        let mut data = self
            .send(
                "mutation($input: CreateCommentInput!) { createComment(input: $input) { comment {
                    id postId parentId author { id name avatar } body createdAt editedAt isDeleted
                    cursor replyCount
                } } }",
                json!({"input": input}),
            )
            .await;
        data["createComment"]["comment"].take()
    }

    /// Writes a comment on `hello` and returns its id, or `None` if the server is gone.
    pub async fn try_write(&self, body: &str) -> Option<String> {
        let query = "mutation($body: String!) {
            createComment(input: { postId: \"hello\", body: $body }) { comment { id } }
        }";
        let answer = self.attempt(query, json!({"body": body})).await?;
        let id = answer["data"]["createComment"]["comment"]["id"].as_str();
        Some(id.expect("an id").to_owned())
    }

    /// Returns the texts of all top-level comments of `hello`, in the order of the post.
    pub async fn bodies(&self) -> Vec<String> {
        let query = "query($after: String) { post(id: \"hello\") {
            comments(first: 100, after: $after) { nodes { body } pageInfo { hasNextPage endCursor } }
        } }";
        let mut bodies = Vec::new();
        let mut after = Value::Null;
        loop {
            let mut data = self.send(query, json!({"after": after})).await;
            let mut page = data["post"]["comments"].take();
            for node in page["nodes"].as_array().expect("nodes") {
                bodies.push(node["body"].as_str().expect("a body").to_owned());
            }
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                return bodies;
            }
            after = page["pageInfo"]["endCursor"].take();
        }
    }

    async fn finish(&self, request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a text");
        Reply {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    /// Creates a request by POST with the client's headers.
    fn request(
        &self,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::RequestBuilder {
        let request = self.http.post(&self.url).body(body);
        self.identified(request.header("content-type", content_type))
    }

    /// Adds the client's headers to a request.
    fn identified(&self, mut request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(client_id) = &self.client_id {
            request = request.header("x-client-id", client_id);
        }
        if let Some(address) = &self.behind {
            request = request.header("x-forwarded-for", address);
        }
        if let Some(accept) = &self.accept {
            request = request.header("accept", accept);
        }
        request
    }
}

fn http(timeout: Duration) -> reqwest::Client {
    let http = reqwest::Client::builder().timeout(timeout).build();
    http.expect("a client")
}

fn operation(query: &str, variables: Value) -> String {
    json!({"query": query, "variables": variables}).to_string()
}

impl Reply {
    /// Returns the one error of the answer.
    pub fn error(&self) -> Value {
        let errors = self.body["errors"].as_array();
        match errors.map(Vec::as_slice) {
            Some([error]) => error.clone(),
            _ => panic!("not one error: {self:?}"),
        }
    }
}
