"""What the alert channels are given to send."""

from worker.observe.alerts import Alert
from worker.observe.digest import Digest
from worker.observe.trial_alert import TrialAlert

News = Alert | Digest | TrialAlert
"""All have a title, a text, what to do, the account and a time, and no field for content."""
