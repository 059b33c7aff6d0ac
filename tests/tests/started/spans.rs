//! Spans: to whom, by which protocol, how much they tell, and how long that may take.

use super::{FROM_FILE, SOON, collector::Collector, mesh_settings};
use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{Request, Traffic};
use std::time::Duration;

const TAGS: &str = "customTags: {team: {literal: {value: shop}}, path: {header: {name: ':path'}}}";
/// Longer than a limit of 300 ms holds, and shorter than what holds if nobody says how long.
const IN_TIME: Duration = Duration::from_secs(4);

/// Every request is told to this provider; `more` are settings of tracing, each followed by a comma.
fn provided(provider: &str, more: &str) -> String {
    format!(
        "extensionProviders: [{{name: spans, {provider}}}]\n\
         defaultProviders: {{tracing: [spans]}}\n\
         defaultConfig: {{tracing: {{{more}sampling: 100, {TAGS}}}}}"
    )
}

/// Zipkin's, which is told of by JSON.
fn zipkin(path: &str) -> Vec<String> {
    [
        &format!("\"path\":\"{path}\""),
        "\"team\":\"shop\"",
        "\"istio.namespace\":\"set\"",
        "\"istio.canonical_revision\":\"latest\"",
        "\"kind\":\"CLIENT\"",
        "\"kind\":\"SERVER\"",
    ]
    .map(str::to_owned)
    .into()
}

pub(super) async fn told_by_every_protocol(traffic: &Traffic, collector: &Collector) -> Result<()> {
    let started = format!(
        "enableTracing: true\n\
         defaultConfig: {{tracing: {{sampling: 100, zipkin: {{address: '{}:9411'}}, {TAGS}}}}}",
        collector.ip()
    );
    let by_older_name = started
        .replace(&format!(", zipkin: {{address: '{}:9411'}}", collector.ip()), "")
        .replace("defaultConfig: {", &format!("defaultConfig: {{zipkinAddress: '{}:9411', ", collector.ip()));
    let started_for_datadog = started.replace("zipkin: {", "datadog: {");
    let otlp = |how: &str| provided(&format!("opentelemetry: {{service: collector.example.com, {how}}}"), "");
    let detected =
        otlp("port: 9411, http: {path: /v1/traces}, resourceDetectors: {environment: {}, dynatrace: {}}")
            .replace(
                "defaultConfig: {",
                "defaultConfig: {proxyMetadata: {OTEL_RESOURCE_ATTRIBUTES: 'floor=third'}, ",
            );
    // These stand as they are in what is not text. Each end has a name of its own.
    let binary = |head: &str, path: &str, more: &[&str]| -> Vec<String> {
        let usual = [head, path, "team", "istio.namespace", "client.set", "app.set"];
        usual.iter().chain(more).map(|&text| text.to_owned()).collect()
    };
    for (settings, path, wanted) in [
        (
            provided("zipkin: {service: collector.example.com, port: 9411}", ""),
            "/provided",
            zipkin("/provided"),
        ),
        (started, "/started", zipkin("/started")),
        (
            started_for_datadog,
            "/started-for-datadog",
            binary("POST /v0.4/traces", "/started-for-datadog", &[]),
        ),
        // Beside the first that says the same it would be no edit.
        (by_older_name, "/by-older-name", zipkin("/by-older-name")),
        (
            otlp("port: 9411, http: {path: /v1/traces, headers: [{name: x-key, value: 'a%'}]}"),
            "/otlp",
            binary("POST /v1/traces", "/otlp", &["x-key: a%\n"]),
        ),
        (
            otlp("port: 4317, grpc: {initialMetadata: [{name: x-key, value: a}]}"),
            "/by-grpc",
            binary(
                "POST /opentelemetry.proto.collector.trace.v1.TraceService/Export",
                "/by-grpc",
                &["x-key: a"],
            ),
        ),
        (
            detected,
            "/detected",
            binary("POST /v1/traces", "/detected", &["floor", "third", FROM_FILE.0, FROM_FILE.1]),
        ),
        (
            provided("datadog: {service: collector.example.com, port: 9411}", ""),
            "/datadog",
            binary("POST /v0.4/traces", "/datadog", &[]),
        ),
        (
            provided("skywalking: {service: collector.example.com, port: 4317, accessToken: let-me}", ""),
            "/skywalking",
            binary(
                "POST /skywalking.v3.TraceSegmentReportService/collect",
                "/skywalking",
                &["authentication: let-me"],
            ),
        ),
    ] {
        traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
        eventually(SOON, async || {
            let url = format!("http://app.set{path}");
            Request::get(&url)?.send(traffic.proxy("client-0")?).await?;
            let told = collector.told().concat();
            let missing: Vec<_> = wanted.iter().filter(|text| !told.contains(*text)).collect();
            ensure!(missing.is_empty(), "{path}: {missing:?} are missing in {told}");
            Ok(())
        })
        .await?;
        collector.forget();
    }
    Ok(())
}

/// How spans are posted, and how much they tell.
pub(super) async fn told_as_asked_for(traffic: &Traffic, collector: &Collector) -> Result<()> {
    let provider = "zipkin: {service: collector.example.com, port: 9411, path: /spans, \
                    headers: [{name: x-key, value: 'a%'}], enable64bitTraceId: true, maxTagLength: 12, \
                    traceContextOption: USE_B3_WITH_W3C_PROPAGATION}";
    // A provider's own limit comes before that of the proxies.
    let within_twelve = provided(provider, "enableIstioTags: false, maxPathTagLength: 7, ");
    let within_seven = within_twelve.replace("maxTagLength: 12, ", "");
    for (settings, told_path) in [(within_twelve, "/short-and-n"), (within_seven, "/short-")] {
        traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
        eventually(SOON, async || {
            let request = Request::get("http://app.set/short-and-no-longer")?;
            let answer = request.send(traffic.proxy("client-0")?).await?;
            let seen = answer.echo.as_ref().and_then(|echo| echo.request.as_ref());
            let passed_on = seen.is_some_and(|seen| seen.headers.contains_key("traceparent"));
            ensure!(passed_on, "traces go on by the headers of W3C, too: {}", answer.summary());
            let told = collector.told();
            let as_asked_for = told.iter().filter(|post| post.starts_with("POST /spans ")).any(|post| {
                let mut ids = post.split("\"traceId\":\"").skip(1);
                ids.all(|rest| rest.find('"') == Some(16))
                    && post.contains("x-key: a%\n")
                    && post.contains("\"path\":\"/short-and-no-longer\"")
                    && post.contains(&format!("\"http.url\":\"http://app.set{told_path}\""))
                    && !post.contains("istio.namespace")
            });
            ensure!(as_asked_for, "spans otherwise: {told:?}");
            Ok(())
        })
        .await?;
        collector.forget();
    }
    Ok(())
}

/// Nobody waits longer for a collector than the provider says.
pub(super) async fn told_in_time(traffic: &Traffic, collector: &Collector) -> Result<()> {
    let provider = "opentelemetry: {service: collector.example.com, port: 9412, http: {path: /v1/traces, timeout: 300ms}}";
    traffic.apply("mesh.yaml", &mesh_settings(&provided(provider, ""))).await?;
    eventually(SOON, async || {
        Request::get("http://app.set/")?.send(traffic.proxy("client-0")?).await?;
        let waited = collector.patience().context("nobody has hung up")?;
        ensure!(waited < IN_TIME, "hung up after {waited:?}");
        Ok(())
    })
    .await
}

/// How much of a path is told, as each provider says by itself.
pub(super) async fn told_no_more_than(traffic: &Traffic, collector: &Collector) -> Result<()> {
    for (provider, head) in [
        ("opentelemetry: {port: 9411, http: {path: /v1/traces}, maxTagLength: 12, ", "POST /v1/traces"),
        ("datadog: {port: 9411, maxTagLength: 12, ", "POST /v0.4/traces"),
        ("skywalking: {port: 4317, maxTagLength: 12, ", "TraceSegmentReportService"),
    ] {
        let provider = format!("{provider}service: collector.example.com}}");
        traffic.apply("mesh.yaml", &mesh_settings(&provided(&provider, ""))).await?;
        eventually(SOON, async || {
            Request::get("http://app.set/short-and-no-longer")?.send(traffic.proxy("client-0")?).await?;
            let told = collector.told();
            // Tracers of before may still tell what they have.
            let short = told.iter().filter(|post| post.contains(head)).any(|post| {
                post.contains("http://app.set/short-and-n") && !post.contains("http://app.set/short-and-no")
            });
            ensure!(short, "{provider}: {told:?}");
            Ok(())
        })
        .await?;
        collector.forget();
    }
    Ok(())
}

/// Tags from the environment of a proxy, and what they say where nothing else does.
pub(super) async fn told_of_what_is_not_there(traffic: &Traffic, collector: &Collector) -> Result<()> {
    let tags = "customTags: {floor: {environment: {name: FLOOR}}, \
                unset: {environment: {name: NOBODY_SETS_THIS, defaultValue: by-itself}}, \
                absent: {header: {name: x-none, defaultValue: no-header}}}";
    let settings = provided("zipkin: {service: collector.example.com, port: 9411}", "")
        .replace(TAGS, tags)
        .replace("defaultConfig: {", "defaultConfig: {proxyMetadata: {FLOOR: third}, ");
    traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
    eventually(SOON, async || {
        Request::get("http://app.set/")?.send(traffic.proxy("client-0")?).await?;
        let told = collector.told().concat();
        for tag in ["\"floor\":\"third\"", "\"unset\":\"by-itself\"", "\"absent\":\"no-header\""] {
            ensure!(told.contains(tag), "{tag} is missing in {told}");
        }
        Ok(())
    })
    .await?;
    collector.forget();
    Ok(())
}
