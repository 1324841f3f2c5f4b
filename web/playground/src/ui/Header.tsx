import mark from '../style/mark.svg';
import { DeviceSwitch } from './DeviceSwitch.tsx';
import { ThemeSwitch } from './ThemeSwitch.tsx';

export function Header() {
  return (
    <header className="page-header">
      <h1>
        <img src={mark} alt="" width="24" height="24" />
        Syncline <span className="quiet">playground</span>
      </h1>
      <DeviceSwitch />
      <ThemeSwitch />
    </header>
  );
}
