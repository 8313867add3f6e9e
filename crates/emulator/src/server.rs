//! The socket: accepts connections, routes by mount, and carries out the faults
//! that concern the wire rather than the answer.

pub(crate) mod tls;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State as Shared};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::answer::{self, Answer, Outcome};
use crate::call;
use crate::fault::Fault;
use crate::plane::{self, Target};
use crate::profile::Mount;
use crate::state::State;

/// The name under which the health check is logged and can be made to fail.
const HEALTHCHECK: &str = "__healthcheck";

/// The wait after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How long sessions may be ahead of their processes.
const SETTLE_PAUSE: Duration = Duration::from_millis(50);

/// The state, shared by all connections. Never locked across an await.
#[derive(Clone, Debug)]
pub(crate) struct Kasm(Arc<Mutex<State>>);

impl Kasm {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

/// Serves until dropped; the connections end with it.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, kasm: Kasm) {
    let service = TowerToHyperService::new(router(kasm.clone()));
    let mut connections = JoinSet::new();
    loop {
        // The peer is gone already, or there are too many open files: wait a bit.
        let socket = tokio::select! {
            accepted = listener.accept() => accepted,
            // Nobody asks, but processes are to end with their session.
            () = tokio::time::sleep(SETTLE_PAUSE) => {
                kasm.lock().settle(Timestamp::now());
                continue;
            }
        };
        let Ok((socket, _)) = socket else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let _ = socket.set_nodelay(true);
        let (service, tls) = (service.clone(), tls.clone());
        connections.spawn(async move {
            match tls {
                None => connection(socket, service).await,
                Some(tls) => {
                    if let Ok(socket) = tls.accept(socket).await {
                        connection(socket, service).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection<S>(socket: S, service: TowerToHyperService<Router>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request| {
        let answer = service.call(request);
        async move {
            let response = answer.await.unwrap_or_else(|e: Infallible| match e {});
            if response.extensions().get::<HangUp>().is_some() {
                return Err(HangUp);
            }
            Ok(response)
        }
    });
    // An error here is a peer that went away, or one that is to think so.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades()
        .await;
}

/// Marks a response that must not be sent: the connection ends instead.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection ends here")]
struct HangUp;

fn router(kasm: Kasm) -> Router {
    Router::new()
        .route("/api/__healthcheck", get(healthcheck))
        .route("/api/public/{name}", post(public))
        .route("/api/admin/{name}", post(admin))
        .route("/api/{name}", post(ui))
        .fallback(session_plane)
        .with_state(kasm)
}

type Parts = (Path<String>, Uri, HeaderMap, Bytes);

async fn public(Shared(kasm): Shared<Kasm>, parts: Parts) -> Response {
    exchange(kasm, Mount::Public, parts).await
}

async fn admin(Shared(kasm): Shared<Kasm>, parts: Parts) -> Response {
    exchange(kasm, Mount::Admin, parts).await
}

async fn ui(Shared(kasm): Shared<Kasm>, parts: Parts) -> Response {
    exchange(kasm, Mount::Ui, parts).await
}

/// Anything else: the session plane, or nothing.
async fn session_plane(Shared(kasm): Shared<Kasm>, request: Request) -> Response {
    let target = Target::read(request.uri(), &kasm.lock().profile.proxy_path);
    let Some(target) = target else {
        return answer::not_found_response();
    };
    let name = format!("desktop/{}", target.service);
    let (number, fault, latency) = arrive(&kasm, request.uri().path(), &name, None);
    if let Some(id) = target.kasm_id {
        *kasm.lock().plane_requests.entry(id).or_default() += 1;
    }
    tokio::time::sleep(latency).await;
    if let Some(response) = fault.as_ref().and_then(|f| instead(&kasm, f)) {
        return finish(&kasm, number, response, None).await;
    }
    let response = plane::answer(&kasm, &target, request).await;
    finish(&kasm, number, response, fault).await
}

async fn healthcheck(Shared(kasm): Shared<Kasm>, uri: Uri) -> Response {
    let (number, fault, latency) = arrive(&kasm, uri.path(), HEALTHCHECK, None);
    tokio::time::sleep(latency).await;
    if let Some(response) = fault.as_ref().and_then(|f| instead(&kasm, f)) {
        return finish(&kasm, number, response, None).await;
    }
    let response = answer::json_response(200, &json!({"ok": true}));
    finish(&kasm, number, response, fault).await
}

async fn exchange(kasm: Kasm, mount: Mount, parts: Parts) -> Response {
    let (Path(name), uri, headers, bytes) = parts;
    let body = read(&headers, &bytes);
    let (number, fault, latency) = arrive(&kasm, uri.path(), &name, body.as_ref());
    tokio::time::sleep(latency).await;
    if let Some(response) = fault.as_ref().and_then(|f| instead(&kasm, f)) {
        return finish(&kasm, number, response, None).await;
    }
    let (outcome, failure_status) = {
        let mut state = kasm.lock();
        let outcome = call::answer(&mut state, mount, &name, body.as_ref(), fault.as_ref());
        (outcome, state.profile.failure_status)
    };
    let response = render(outcome, failure_status).await;
    finish(&kasm, number, response, fault).await
}

/// The body, if it is a JSON object and says so.
fn read(headers: &HeaderMap, bytes: &Bytes) -> Option<Map<String, Value>> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.starts_with("application/json") {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

/// Notes the call and draws its fault and its delay.
fn arrive(
    kasm: &Kasm,
    path: &str,
    name: &str,
    body: Option<&Map<String, Value>>,
) -> (usize, Option<Fault>, Duration) {
    let body = body.map_or(Value::Null, |body| {
        let mut body = body.clone();
        body.retain(|field, _| !field.starts_with("api_"));
        Value::Object(body)
    });
    let mut state = kasm.lock();
    let number = state.requests.arrived(path, name, body);
    let fault = state.faults.take(name);
    let mut latency = state.profile.latency;
    if let Some(Fault::Latency(more)) = fault {
        latency += more;
    }
    (number, fault, latency)
}

/// The response of a fault that comes before everything else.
fn instead(kasm: &Kasm, fault: &Fault) -> Option<Response> {
    match fault {
        Fault::Status(status) => Some(answer::error_response(*status, "Emulated failure")),
        Fault::HtmlError => Some(answer::crash_response()),
        Fault::Forbidden => {
            let status = kasm.lock().profile.refusal_status;
            Some(answer::error_response(status, crate::wording::UNAUTHORIZED))
        }
        Fault::ConnectionReset => {
            let mut response = ().into_response();
            response.extensions_mut().insert(HangUp);
            Some(response)
        }
        Fault::ErrorMessage(_)
        | Fault::NoResources
        | Fault::LicenceLimit
        | Fault::UnableToCreate
        | Fault::Latency(_)
        | Fault::SlowBody(_)
        | Fault::TimeoutAfterEffect(_)
        | Fault::InvalidJson => None,
    }
}

async fn render(outcome: Outcome, failure_status: u16) -> Response {
    match outcome {
        Ok(Answer::Json(body)) => answer::json_response(200, &body),
        // Drawing takes a while, and other calls should not wait for it.
        Ok(Answer::Picture(picture)) => {
            let drawn = tokio::task::spawn_blocking(move || picture.jpeg()).await;
            match drawn {
                Ok(Some(jpeg)) => answer::respond(200, "image/jpeg", jpeg),
                Ok(None) | Err(_) => answer::crash_response(),
            }
        }
        Err(refusal) => refusal.into_response(failure_status),
    }
}

/// Notes the status, then carries out the faults of the way back.
async fn finish(kasm: &Kasm, number: usize, response: Response, fault: Option<Fault>) -> Response {
    let hang_up = response.extensions().get::<HangUp>().is_some();
    let status = if hang_up {
        0
    } else {
        response.status().as_u16()
    };
    kasm.lock().requests.answered(number, status);
    match fault {
        Some(Fault::TimeoutAfterEffect(time)) => {
            tokio::time::sleep(time).await;
            response
        }
        Some(Fault::SlowBody(time)) => halves(response, Some(time)).await,
        Some(Fault::InvalidJson) => halves(response, None).await,
        _ => response,
    }
}

/// Sends half of the body, then the rest after a pause, or not at all.
async fn halves(response: Response, pause: Option<Duration>) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let first = whole.slice(..whole.len() / 2);
    parts.headers.remove(header::CONTENT_LENGTH);
    let Some(pause) = pause else {
        return Response::from_parts(parts, Body::from(first));
    };
    let rest = whole.slice(whole.len() / 2..);
    let head = futures::stream::once(async move { Ok::<_, Infallible>(first) });
    let tail = futures::stream::once(async move {
        tokio::time::sleep(pause).await;
        Ok(rest)
    });
    Response::from_parts(parts, Body::from_stream(head.chain(tail)))
}
