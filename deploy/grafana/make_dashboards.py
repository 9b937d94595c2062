"""Writes dashboards/*.json from the panels below.

python3 -m venv V && V/bin/pip install -r requirements.txt && V/bin/python make_dashboards.py [FOLDER]
"""

import dataclasses
import pathlib
import sys

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as dashboard_model

SOURCE = dashboard_model.DataSourceRef(type_val="prometheus", uid="${datasource}")
# Where Prometheus knows no namespaces, the variable's .* matches their absence.
HERE = 'namespace=~"$namespace"'


@dataclasses.dataclass
class Panel:
    title: str
    description: str
    unit: str
    queries: dict  # legend -> PromQL; <> stands for the selector of the namespace
    stacked: bool = False
    least: float | None = 0


def quantiles(metric):
    query = "histogram_quantile({}, sum by (le) (rate({}_bucket{{<>}}[$__rate_interval])))"
    return {f"p{q}": query.format(q / 100, metric) for q in (50, 95, 99)}


def total(metric, by="", labels=""):
    by = f" by ({by})" if by else ""
    return f"sum{by} ({metric}{{<>{labels}}})"


def rate(metric, by="", labels=""):
    by = f" by ({by})" if by else ""
    return f"sum{by} (rate({metric}{{<>{labels}}}[$__rate_interval]))"


def ratio(part, whole):
    return f"{part} / {whole}"


OVERVIEW = {
    "Objectives": [
        Panel(
            "Requests not answered",
            "Share of requests that failed or were refused for want of room. The objective: 0.1 % "
            "over 30 days. Requests that clients cancelled or got wrong do not count.",
            "percentunit",
            {"5 minutes": "triptych:unanswered:ratio_rate5m{<>}",
             "1 hour": "triptych:unanswered:ratio_rate1h{<>}"},
        ),
        Panel(
            "First tokens later than 2.5 s",
            "Share of first tokens that took longer than 2.5 s. The objective: 5 % over 30 days.",
            "percentunit",
            {"5 minutes": "triptych:late_first_token:ratio_rate5m{<>}",
             "1 hour": "triptych:late_first_token:ratio_rate1h{<>}"},
        ),
    ],
    "Requests": [
        Panel(
            "Requests by outcome",
            "Requests that ended, by how, and those accepted.",
            "reqps",
            {"{{outcome}}": rate("triptych_router_requests_total", "outcome")},
        ),
        Panel(
            "Refused",
            "Requests refused before any worker was asked, by code: INVALID_ARGUMENT is the "
            "client's, RESOURCE_EXHAUSTED means that routers have too many open.",
            "reqps",
            {"{{code}}": rate("triptych_router_refused_total", "code")},
        ),
        Panel(
            "Open requests",
            "Requests in the routers.",
            "short",
            {"{{instance}}": total("triptych_router_live_requests", "instance")},
            stacked=True,
        ),
        Panel(
            "Time to first token",
            "From a request's arrival at the router to its first token.",
            "s",
            quantiles("triptych_router_time_to_first_token_seconds"),
        ),
        Panel(
            "Time between deliveries",
            "Between two deliveries of tokens of one request.",
            "s",
            quantiles("triptych_router_token_gap_seconds"),
        ),
        Panel(
            "Duration of requests",
            "From a request's arrival to its end.",
            "s",
            quantiles("triptych_router_request_seconds"),
        ),
        Panel(
            "Tokens",
            "Prompt tokens of accepted requests, those of them that are rows of pictures, and "
            "tokens relayed to clients.",
            "short",
            {"prompt": rate("triptych_router_prompt_tokens_total"),
             "pictures": rate("triptych_router_image_tokens_total"),
             "output": rate("triptych_router_output_tokens_total")},
        ),
        Panel(
            "Streams that moved",
            "Streams that went on at another decoder because theirs died or ended. Clients notice "
            "nothing but a pause.",
            "short",
            {"migrations": rate("triptych_router_migrations_total")},
        ),
        Panel(
            "Where pictures' rows came from",
            "From the cache of the decoder itself, or from an encoder.",
            "short",
            {"{{source}}": rate("triptych_router_images_total", "source")},
            stacked=True,
        ),
    ],
    "Cluster": [
        Panel(
            "Workers",
            "Workers by role and state, as the coordinator sees them.",
            "short",
            {"{{role}} {{state}}": total("triptych_coordinator_workers", "role, state") + " > 0"},
        ),
        Panel(
            "Certificates expire in",
            "Until the certificate of the routers' ports for clients (public), and that of the "
            "processes for each other (internal), are no longer valid. Empty without TLS.",
            "s",
            {"{{use}}": "min by (use) (triptych_certificate_expiry_timestamp_seconds{<>}) - time()"},
        ),
        Panel(
            "Vanished workers",
            "Workers whose lease ran out: killed, cut off or frozen.",
            "short",
            {"vanished": "max(triptych_coordinator_leases_expired{<>})"},
        ),
        Panel(
            "Changes of the cluster view",
            "Versions of the cluster view per second; each heartbeat makes one.",
            "short",
            {"versions": "sum(deriv(triptych_coordinator_view_version{<>}[5m]))"},
            least=None,
        ),
    ],
    "Articles": [
        Panel(
            "Articles by outcome",
            "Compose calls by what became of them.",
            "short",
            {"{{outcome}}": rate("triptych_router_articles_total", "outcome",
                                 ',outcome!="accepted"')},
            stacked=True,
        ),
        Panel(
            "Articles in the router",
            "Compose calls that are being written or illustrated now.",
            "short",
            {"live": total("triptych_router_live_articles")},
        ),
        Panel(
            "Time for an article",
            "From a Compose call's arrival to its end.",
            "s",
            quantiles("triptych_router_article_seconds"),
        ),
        Panel(
            "Pictures in articles",
            "Illustrations by where they are from: the user or a library.",
            "short",
            {"{{source}}": rate("triptych_router_illustrations_total", "source")},
            stacked=True,
        ),
        Panel(
            "Searches in libraries",
            "Searches in picture libraries: found, empty or failed.",
            "short",
            {"{{result}}": rate("triptych_router_library_searches_total", "result")},
            stacked=True,
        ),
    ],
    "HTTP": [
        Panel(
            "HTTP requests",
            "Requests at the router's HTTP port by endpoint and status.",
            "short",
            {"{{endpoint}} {{status}}": rate("triptych_router_http_requests_total",
                                             "endpoint,status")},
            stacked=True,
        ),
        Panel(
            "HTTP connections",
            "Open connections at the routers' HTTP ports.",
            "short",
            {"{{instance}}": total("triptych_router_http_connections", "instance")},
            stacked=True,
        ),
        Panel(
            "HTTP connections refused",
            "Connections beyond http_connections, which are closed at once.",
            "short",
            {"{{instance}}": rate("triptych_router_http_connections_refused_total", "instance")},
        ),
    ],
}

ENCODERS = {
    "Work": [
        Panel(
            "Tiles",
            "Tiles that the vision towers have run, by encoder.",
            "short",
            {"{{instance}}": rate("triptych_worker_tiles_total", "instance")},
            stacked=True,
        ),
        Panel(
            "Waiting tiles",
            "Tiles that are prepared and wait for the tower.",
            "short",
            {"{{instance}}": total("triptych_worker_waiting_tiles", "instance")},
            stacked=True,
        ),
        Panel(
            "Backlog",
            "How long the encoders would need for the tiles that wait.",
            "s",
            {"all": ratio(total("triptych_worker_waiting_tiles"),
                          rate("triptych_worker_tiles_total"))},
        ),
        Panel(
            "Tiles in a batch",
            "Mean size of a batch: larger ones use a GPU better.",
            "short",
            {"{{instance}}": ratio(rate("triptych_worker_tiles_total", "instance"),
                                   rate("triptych_worker_tile_batches_total", "instance"))},
        ),
        Panel(
            "Pictures in flight",
            "Pictures that are being prepared or encoded.",
            "short",
            {"{{instance}}": total("triptych_worker_images_in_flight", "instance")},
            stacked=True,
        ),
        Panel(
            "Pictures by outcome",
            "Encoded anew, found in the cache, joined to one in flight, refused or failed.",
            "short",
            {"{{outcome}}": rate("triptych_worker_images_total", "outcome",
                                 ',outcome!="submitted"')},
            stacked=True,
        ),
    ],
    "Cache": [
        Panel(
            "Hits in the cache",
            "Share of lookups of picture rows that found them.",
            "percentunit",
            {"{{role}}": ratio(
                rate("triptych_worker_embedding_lookups_total", "role", ',result="hit"'),
                rate("triptych_worker_embedding_lookups_total", "role"))},
        ),
        Panel(
            "Pictures in caches",
            "Pictures whose rows are kept, by role.",
            "short",
            {"{{role}}": total("triptych_worker_embeddings", "role")},
        ),
        Panel(
            "Bytes in caches",
            "Bytes of picture rows that are kept, by worker and role.",
            "bytes",
            {"{{instance}} {{role}}": total("triptych_worker_embedding_bytes", "instance, role")},
        ),
    ],
}

DECODERS = {
    "Work": [
        Panel(
            "Running sequences",
            "Sequences that hold KV blocks, by decoder.",
            "short",
            {"{{instance}}": total("triptych_worker_running_sequences", "instance")},
            stacked=True,
        ),
        Panel(
            "Waiting sequences",
            "Sequences that wait for their turn, or for their pictures' rows.",
            "short",
            {"{{instance}}": total("triptych_worker_waiting_sequences", "instance")},
            stacked=True,
        ),
        Panel(
            "Waiting prompt tokens",
            "Prompt tokens that are still to be computed.",
            "short",
            {"{{instance}}": total("triptych_worker_waiting_prefill_tokens", "instance")},
            stacked=True,
        ),
        Panel(
            "Output tokens",
            "Generated tokens, by decoder.",
            "short",
            {"{{instance}}": rate("triptych_worker_output_tokens_total", "instance")},
            stacked=True,
        ),
        Panel(
            "Engine steps",
            "Finished steps. None while sequences run means that the engine hangs.",
            "short",
            {"{{instance}}": rate("triptych_worker_steps_total", "instance")},
        ),
        Panel(
            "Output tokens in a step",
            "Mean output tokens of a step: how full the batches are.",
            "short",
            {"{{instance}}": ratio(rate("triptych_worker_output_tokens_total", "instance"),
                                   rate("triptych_worker_steps_total", "instance"))},
        ),
        Panel(
            "Requests by outcome",
            "Requests in the engines, by what became of them.",
            "reqps",
            {"{{outcome}}": rate("triptych_worker_requests_total", "outcome")},
        ),
        Panel(
            "Requests in the engines",
            "Requests that an engine has taken and not ended.",
            "short",
            {"{{instance}}": total("triptych_worker_live_requests", "instance")},
            stacked=True,
        ),
        Panel(
            "Steps until a cancel takes effect",
            "Steps that finished between a cancel's arrival and its blocks' return, per cancelled "
            "request: at most two.",
            "short",
            {"steps": ratio(rate("triptych_worker_cancel_steps_total"),
                            rate("triptych_worker_requests_total", "", ',outcome="cancelled"'))},
        ),
    ],
    "KV cache": [
        Panel(
            "KV blocks in use",
            "Share of the KV blocks that live sequences hold.",
            "percentunit",
            {"{{instance}}": 'max by (instance) ({__name__="vllm:kv_cache_usage_perc",<>})'},
        ),
        Panel(
            "KV blocks",
            "Blocks used by live sequences, free, and cached for reuse (these count as free too).",
            "short",
            {"{{state}}": total("triptych_worker_kv_blocks", "state")},
        ),
        Panel(
            "Preemptions",
            "Requests whose blocks were taken back, to be computed again.",
            "short",
            {"{{instance}}": rate("triptych_worker_preemptions_total", "instance")},
        ),
        Panel(
            "Prompt tokens found in the prefix cache",
            "Share of the prompt tokens that need not be computed.",
            "percentunit",
            {"all": ratio(rate("triptych_worker_prefix_hit_tokens_total"),
                          rate("triptych_worker_prompt_tokens_total"))},
        ),
    ],
}

CAPACITY = {
    "What scalers see": [
        Panel(
            "Work over capacity",
            "The pool's work over what its ready workers can do; above 1 requests wait.",
            "percentunit",
            {"{{pool}} {{model}}": "max by (pool, model) (triptych_pool_desired_ratio{<>})"},
        ),
        Panel(
            "Workers that the work is worth",
            "Scalers divide this by the share of a worker that is to be used.",
            "short",
            {"{{pool}} {{model}}": "max by (pool, model) (triptych_pool_desired_replicas{<>})"},
        ),
        Panel(
            "Workers ready, and on their way",
            "Ready workers, and those that are starting or loading.",
            "short",
            {"{{role}} ready": total("triptych_coordinator_workers", "role", ',state="ready"'),
             "{{role}} loading": total("triptych_coordinator_workers", "role",
                                       ',state=~"starting|loading"')},
        ),
    ],
    "What they come from": [
        Panel(
            "Tiles that wait",
            "Tiles that wait for the towers, of all encoders.",
            "short",
            {"tiles": total("triptych_worker_waiting_tiles")},
        ),
        Panel(
            "Sequences",
            "Sequences that run and wait, of all decoders.",
            "short",
            {"running": total("triptych_worker_running_sequences"),
             "waiting": total("triptych_worker_waiting_sequences")},
            stacked=True,
        ),
        Panel(
            "KV blocks in use",
            "Share of all KV blocks that live sequences hold.",
            "percentunit",
            {"all": ratio(total("triptych_worker_kv_blocks", "", ',state="used"'),
                          total("triptych_worker_kv_blocks", "", ',state=~"used|free"'))},
        ),
        Panel(
            "Output tokens of a decoder",
            "Generated tokens per second of the mean decoder.",
            "short",
            {"mean": "avg(rate(triptych_worker_output_tokens_total{<>}[$__rate_interval]))"},
        ),
        Panel(
            "Tiles of an encoder",
            "Tiles per second of the mean encoder.",
            "short",
            {"mean": "avg(rate(triptych_worker_tiles_total{<>}[$__rate_interval]))"},
        ),
    ],
}

DASHBOARDS = {
    "overview": ("Triptych: overview and objectives", OVERVIEW),
    "encoders": ("Triptych: encoder pool", ENCODERS),
    "decoders": ("Triptych: decoder pool", DECODERS),
    "capacity": ("Triptych: autoscaling and capacity", CAPACITY),
}


def make_panel(panel):
    built = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.description)
        .datasource(SOURCE)
        .unit(panel.unit)
        .span(8)
        .height(7)
        .fill_opacity(20 if panel.stacked else 0)
    )
    if panel.stacked:
        normal = common_model.StackingMode.NORMAL
        built = built.stacking(common.StackingConfig().mode(normal).group("A"))
    if panel.least is not None:
        built = built.min(panel.least)
    for ref, (legend, query) in zip("ABCDEF", panel.queries.items()):
        query = query.replace("<>", HERE)
        built = built.with_target(
            prometheus.Dataquery().ref_id(ref).expr(query).legend_format(legend)
        )
    return built


def make_dashboard(name):
    title, rows = DASHBOARDS[name]
    namespaces = "label_values(triptych_coordinator_view_version, namespace)"
    board = (
        dashboard.Dashboard(title)
        .uid(f"triptych-{name}")
        .tags(["triptych"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(dashboard_model.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("namespace")
            .label("Namespace")
            .datasource(SOURCE)
            .query(namespaces)
            .refresh(dashboard_model.VariableRefresh.ON_DASHBOARD_LOAD)
            .include_all(True)
            .all_value(".*")
            .current(dashboard_model.VariableOption(text="All", value="$__all"))
        )
    )
    for row, panels in rows.items():
        board = board.with_row(dashboard.Row(row))
        for panel in panels:
            board = board.with_panel(make_panel(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(board.build()) + "\n"


def main():
    folder = pathlib.Path(__file__).parent / "dashboards"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in DASHBOARDS:
        (folder / f"{name}.json").write_text(make_dashboard(name))


if __name__ == "__main__":
    main()
