"""`ignite.toml`, read into typed settings.

A model is the one place that knows a setting: its type, what is allowed, its default and its description. A model that
a room below needs stands there (`audiences.rules.ExportRule`, `tables.thresholds.Thresholds`); `models` puts them
together. The messages about mistakes and the configuration reference derive from the models, so to add a setting, add
a field. Secrets are no settings: the file names environment variables, and nothing here reads those.

Reading order: `values`, `models`, `reading`; then `kinds` and `mistakes`, which speak of the models, and `template`.
"""

from ignite_assets.config.models import CONFIG_FILE, Settings, Website
from ignite_assets.config.reading import EXAMPLE, load_settings
from ignite_assets.config.values import WebsiteKey

__all__ = ["CONFIG_FILE", "EXAMPLE", "Settings", "Website", "WebsiteKey", "load_settings"]
