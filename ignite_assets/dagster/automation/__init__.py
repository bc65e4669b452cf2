"""What starts runs and tells people: schedules, sensors, alerts."""
