//! What stands where something else should: proxies and other web servers.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::net::TcpListener;

/// What a proxy does to answers.
#[derive(Clone)]
pub enum Twist {
    /// Nothing: they pass as they come.
    None,
    /// They are held back until they are complete.
    Buffer,
    /// Their time is another one.
    Date(String),
    /// The server behind is asked by this name.
    Host(&'static str),
    /// The server behind is not reached.
    BadGateway,
}

/// A proxy in front of `upstream`. Returns its URL.
pub async fn proxy(upstream: &str, twist: Twist) -> String {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let state = (http, upstream.to_owned(), twist);
    serve(Router::new().fallback(pass).with_state(state)).await
}

/// A web server that gives the same answer to everything.
pub async fn stranger(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    page: &'static str,
) -> String {
    let answer = move || async move {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Body::from(page)).unwrap()
    };
    serve(Router::new().fallback(answer)).await
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

type Shared = (reqwest::Client, String, Twist);

async fn pass(State((http, upstream, twist)): State<Shared>, request: Request) -> Response {
    if matches!(twist, Twist::BadGateway) {
        return (
            http::StatusCode::BAD_GATEWAY,
            "<html><title>502</title></html>",
        )
            .into_response();
    }
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path_and_query().unwrap();
    let mut asked = http
        .request(parts.method, format!("{upstream}{path}"))
        .body(body);
    for (name, value) in &parts.headers {
        if name != "host" && name != "content-length" {
            asked = asked.header(name, value);
        }
    }
    if let Twist::Host(name) = &twist {
        asked = asked.header("host", *name);
    }
    let mut answer = asked.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for name in ["content-type", "location"] {
        if let Some(value) = answer.headers().get(name) {
            response = response.header(name, value);
        }
    }
    if let Twist::Date(date) = &twist {
        response = response.header("date", date);
    }
    let body = if matches!(twist, Twist::Buffer) {
        let mut whole = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            whole.extend_from_slice(&chunk);
        }
        Body::from(whole)
    } else {
        Body::from_stream(stream::try_unfold(answer, |mut answer| async move {
            Ok::<_, reqwest::Error>(answer.chunk().await?.map(|chunk| (chunk, answer)))
        }))
    };
    response.body(body).unwrap()
}
