//! What requests do under settings of the whole mesh, and of the proxies at both ends. In a process and a mesh of its own: everybody
//! else's requests would show it.

mod connections;
mod limits;
mod places;
mod retries;
mod sidecars;
mod statistics;
mod telemetry;
mod visible;
mod written;

use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{Answer, Request, Traffic, on_shared_mesh};
use std::{fs, time::Duration};
use tokio::sync::Mutex;

/// Far more than it takes.
const SOON: Duration = Duration::from_secs(20);
/// Envoys write logs when their buffers are full, or every ten seconds.
const LOGGED_WITHIN: Duration = Duration::from_secs(30);

fn run(test: impl AsyncFnOnce(&'static Traffic) -> Result<()>) {
    /// What one sets is everybody's, and there is one client and one application.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    on_shared_mesh(include_str!("base.yaml"), async |traffic| {
        let _alone = ONE_AT_A_TIME.lock().await;
        test(traffic).await
    });
}

fn mesh_settings(settings: &str) -> String {
    let settings = settings.replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
         data:\n  mesh: |\n    {settings}\n"
    )
}

async fn get(traffic: &Traffic, path: &str) -> Result<Answer> {
    Request::get(&format!("http://app.set{path}"))?.send(traffic.proxy("client-0")?).await
}

/// With these settings of the mesh, requests at the same time are too many for the pool, or are not.
async fn overflow(traffic: &Traffic, settings: &str, overflows: bool) -> Result<()> {
    traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
    eventually(SOON, async || {
        let together = (0..6).map(|_| get(traffic, "/?delay=500ms"));
        let answers = futures::future::try_join_all(together).await?;
        let turned_away = answers.iter().any(|answer| answer.header("x-envoy-overloaded") == Some("true"));
        ensure!(turned_away == overflows, "{settings}: {}", answers[0].summary());
        Ok(())
    })
    .await
}

fn seen_path(answer: &Answer) -> &str {
    let seen = answer.echo.as_ref().and_then(|echo| echo.request.as_ref());
    seen.map_or("", |seen| &seen.path)
}

/// A server that is no part of the mesh.
async fn answer_all(server: tokio::net::TcpListener) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    while let Ok((mut stream, _)) = server.accept().await {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
    }
}

/// In one test: each setting is everybody's.
#[test]
fn settings_of_the_mesh() {
    run(async |traffic| {
        // With each step clusters differ, so that no connection is left that knows older settings.
        let mut steps = 1..;
        let mut differing = || format!("connectTimeout: 9.{:03}s\n", steps.next().unwrap_or(0));
        for (normalization, expected) in [
            ("BASE", "/b//c%2Fd"),
            ("NONE", "/a/../b//c%2Fd"),
            ("MERGE_SLASHES", "/b/c%2Fd"),
            ("DECODE_AND_MERGE_SLASHES", "/b/c/d"),
        ] {
            let settings =
                format!("pathNormalization: {{normalization: {normalization}}}\nconnectTimeout: 9s");
            traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
            // Acknowledged is not yet taken up by every thread.
            eventually(SOON, async || {
                let answer = get(traffic, "/a/../b//c%2Fd").await?;
                ensure!(seen_path(&answer) == expected, "{normalization}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }

        // A header that has an underscore is dropped where the proxies say so.
        let underscores = "defaultConfig: {connectionSettings: {httpHeadersWithUnderscoresAction: \
                           HEADERS_WITH_UNDERSCORES_DROP_HEADER}}";
        for (settings, arrives) in [("connectTimeout: 7s", true), (underscores, false)] {
            traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
            eventually(SOON, async || {
                let request = Request::get("http://app.set/underscores")?.header("x_under", "score")?;
                let answer = request.send(traffic.proxy("client-0")?).await?;
                let seen = answer.echo.as_ref().and_then(|echo| echo.request.as_ref());
                let seen = seen.is_some_and(|seen| seen.headers.contains_key("x_under"));
                ensure!(seen == arrives, "{settings}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }

        // What proxies add at both ends, and what they leave out.
        let quiet = "defaultConfig: {proxyHeaders: {server: {value: shop}, requestId: {disabled: true}, \
                     attemptCount: {disabled: true}, envoyDebugHeaders: {disabled: true}}}";
        for (settings, server, adds) in [("connectTimeout: 8s", "istio-envoy", true), (quiet, "shop", false)]
        {
            traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
            eventually(SOON, async || {
                let answer = get(traffic, "/headers").await?;
                let seen = answer.echo.as_ref().and_then(|echo| echo.request.as_ref());
                let seen = |name: &str| seen.is_some_and(|seen| seen.headers.contains_key(name));
                let added = [
                    seen("x-request-id"),
                    seen("x-envoy-attempt-count"),
                    answer.header("x-envoy-upstream-service-time").is_some(),
                ];
                let meant = answer.header("server") == Some(server) && added == [adds; 3];
                ensure!(meant, "{settings}: {added:?} {:?}", answer.headers);
                Ok(())
            })
            .await?;
        }

        traffic.apply("mesh.yaml", &mesh_settings("h2UpgradePolicy: UPGRADE")).await?;
        let answer = get(traffic, "/").await?;
        ensure!(answer.status == 200, "{}", answer.summary());
        let forwarded = answer.echo.as_ref().map(|echo| echo.protocol.as_str());
        ensure!(
            forwarded == Some("HTTP/1.1"),
            "the application speaks what its port says: {}",
            answer.summary()
        );

        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let unknown = format!("http://localhost:{}/", server.local_addr()?.port());
        tokio::spawn(answer_all(server));
        let ask = async || Request::get(&unknown)?.send(traffic.proxy("client-0")?).await;
        traffic.apply("mesh.yaml", &mesh_settings("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")).await?;
        eventually(SOON, async || {
            let answer = ask().await?;
            ensure!(answer.status == 502, "nobody knows the host: {}", answer.summary());
            Ok(())
        })
        .await?;
        let settings = "outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}";
        traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
        eventually(SOON, async || {
            let answer = ask().await?;
            ensure!(answer.status == 204, "{}", answer.summary());
            Ok(())
        })
        .await?;

        // What holds where neither a route nor a DestinationRule says anything.
        let retries = "defaultHttpRetryPolicy: {attempts: 3, retryOn: '5xx', backoff: 1ms}";
        for (settings, expected) in [("connectTimeout: 6s", 0), (retries, 3)] {
            traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
            let retries = async || {
                let name = "cluster.outbound|80||app.set.svc.cluster.local;.upstream_rq_retry";
                traffic.stat("client-0", name).await
            };
            eventually(SOON, async || {
                let before = retries().await?;
                let answer = get(traffic, "/?status=500").await?;
                let retries = retries().await? - before;
                ensure!(retries == expected, "{settings}: {retries} retries, {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        let pool = "defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}";
        for (settings, overflows) in [("connectTimeout: 5s", false), (pool, true)] {
            overflow(traffic, settings, overflows).await?;
        }

        let named = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: named, namespace: set}\n\
                     spec: {hosts: [app], http: [{name: first, match: [{name: one, uri: {prefix: /logged-names}}], \
                     route: [{destination: {host: app}}]}, {route: [{destination: {host: app}}]}]}\n";
        traffic.apply("named.yaml", named).await?;
        let directory = tempfile::tempdir()?;
        for (name, settings, expected) in [
            (
                "names",
                "accessLogFile: FILE\naccessLogFormat: '%REQ(:PATH)% %ROUTE_NAME%'",
                "/logged-names first.one",
            ),
            // Between the sidecars.
            (
                "upgraded",
                "h2UpgradePolicy: UPGRADE\naccessLogFile: FILE\n\
                 accessLogFormat: '%REQ(:PATH)% %PROTOCOL% %UPSTREAM_PROTOCOL%'",
                "/logged-upgraded HTTP/1.1 HTTP/2",
            ),
            (
                "text",
                "accessLogFile: FILE\naccessLogFormat: 'line %REQ(:PATH)% %RESPONSE_CODE%'",
                "line /logged-text 200",
            ),
            (
                "json",
                "accessLogFile: FILE\naccessLogEncoding: JSON\n\
                 accessLogFormat: '{\"path\": \"%REQ(:PATH)%\", \"code\": \"%RESPONSE_CODE%\"}'",
                "{\"code\":200,\"path\":\"/logged-json\"}",
            ),
            (
                "provider",
                "accessLogFile: FILE.not\n\
                 extensionProviders: [{name: log, envoyFileAccessLog: {path: FILE, logFormat: {text: '%REQ(:PATH)%'}}}]\n\
                 defaultProviders: {accessLogging: [log]}",
                "/logged-provider",
            ),
            (
                "labels",
                "extensionProviders: [{name: log, envoyFileAccessLog: {path: FILE, omitEmptyValues: true, \
                 logFormat: {labels: {path: '%REQ(:PATH)%', none: '%REQ(X-NONE)%'}}}}]\n\
                 defaultProviders: {accessLogging: [log]}",
                "{\"path\":\"/logged-labels\"}",
            ),
        ] {
            let file = directory.path().join(name);
            let settings = differing() + &settings.replace("FILE", &file.display().to_string());
            traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
            eventually(LOGGED_WITHIN, async || {
                get(traffic, &format!("/logged-{name}")).await?;
                let text = fs::read_to_string(&file).context("nothing is logged")?;
                // At the other end a route has no name, and HTTP/2 comes in.
                let here = |line: &&str| match name {
                    "names" => line.contains("first"),
                    "upgraded" => line.contains(" HTTP/1.1 "),
                    _ => true,
                };
                let mut lines = text.lines().filter(here).peekable();
                let whole = lines.peek().is_some() && lines.all(|line| line == expected);
                ensure!(whole, "{text:?}");
                Ok(())
            })
            .await?;
        }
        traffic.remove("named.yaml").await?;
        traffic.remove("mesh.yaml").await
    });
}
