import { useStore } from 'zustand';

import type { Device } from '../model/device.ts';
import { useDevice, usePlayground } from './context.ts';
import { StatusDot } from './StatusDot.tsx';

/** Which device the page acts as: two of the first user, one of the second. */
export function DeviceSwitch() {
  const { people, devices } = usePlayground();
  return (
    <div className="devices" role="radiogroup" aria-label="Act as">
      {people.map((person) => (
        <div key={person.name} className="devices-person" role="group" aria-label={person.name}>
          <span className="devices-name" aria-hidden="true">
            {person.name}
          </span>
          <div className="devices-choices">
            {devices
              .filter((device) => device.person === person)
              .map((device) => (
                <DeviceChoice key={device.name} device={device} />
              ))}
          </div>
        </div>
      ))}
    </div>
  );
}

function DeviceChoice({ device }: { device: Device }) {
  const playground = usePlayground();
  const { status, count: changes } = useStore(device.feed.state);
  return (
    <label className="device">
      <input
        type="radio"
        name="device"
        checked={useDevice() === device}
        onChange={() => playground.act(device)}
        aria-label={`${device.person.name}, ${device.name}`}
      />
      <StatusDot status={status} />
      <span aria-hidden="true">{device.name}</span>
      <span className="count" title={`${changes} in its feed`} aria-hidden="true">
        {changes}
      </span>
    </label>
  );
}
