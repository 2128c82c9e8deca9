"""What every package above uses: ids, answers, deadlines, errors, settings.  Knows no thread, channel or device."""
