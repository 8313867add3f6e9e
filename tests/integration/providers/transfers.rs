//! Files of several providers.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use kasm_mcp::caller::Realm;
use kasm_mcp::links::TransferDirection;
use kasm_mcp::tool::ToolError;
use kasm_mcp::tool::provider::{Provider, ProviderDescription};
use kasm_mcp::tool::registry::Registry;
use kasm_mcp::tool::tool_table::DynamicToolSource;
use kasm_mcp::tool::transfer::{
    FileDownload, FileTransfers, FileUpload, StoredFile, TransferTarget,
};
use sha2::{Digest, Sha256};

use super::SourceServer;
use crate::support::toolbox::DESCRIPTION;

/// Files whose content is their place.
#[derive(Debug)]
struct Places;

impl FileTransfers for Places {
    fn toolset(&self) -> &'static str {
        "things"
    }

    fn realm(&self) -> Realm {
        Realm::KASM
    }

    fn tools_for(&self, _: TransferDirection) -> &'static [&'static str] {
        &["fetch"]
    }

    fn id_name(&self) -> &'static str {
        "shelf"
    }

    fn download<'a>(
        &'a self,
        file: TransferTarget<'a>,
    ) -> BoxFuture<'a, Result<FileDownload, ToolError>> {
        let content = format!("{} {}", file.computer, file.path);
        async move {
            Ok(FileDownload {
                size: content.len() as u64,
                modified: 0,
                sha256: data_encoding::HEXLOWER.encode(&Sha256::digest(&content)),
                open: Box::new(move |_| stream::once(async { Ok(content.into()) }).boxed()),
            })
        }
        .boxed()
    }

    fn upload<'a>(
        &'a self,
        _: TransferTarget<'a>,
        _: FileUpload,
    ) -> BoxFuture<'a, Result<StoredFile, ToolError>> {
        async { Err(ToolError::internal("not here")) }.boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn address_of_a_file_may_name_its_provider() {
    let source = DynamicToolSource::default();
    let provider = Provider::new(ProviderDescription {
        name: "shelves",
        ..DESCRIPTION
    })
    .with_tool_source("things", source.clone())
    .with_transfers(Arc::new(Places));
    let server = SourceServer::with_provider(provider, source).await;
    for (path, content) in [
        ("/files/shelves/one/a/b", "one /a/b"),
        ("/files/one/a/b", "one /a/b"),
        ("/files/two/shelves", "two /shelves"),
    ] {
        let answer = server.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.text().await.unwrap(), content, "{path}");
    }
    let short = server.get("/files/shelves/one").send().await.unwrap();
    assert_eq!(short.status(), 400);
    let none: Registry = Registry::new(std::time::Duration::from_secs(1), 1);
    assert!(!none.has_transfers("shelves"));
}
